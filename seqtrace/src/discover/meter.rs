//! How far a scan is, told as a number of functions although the few suspicious ones take most
//! of the time.

use std::sync::atomic::{AtomicU64, Ordering};

/// The look at all functions is one part of this many, by time; their analysis is the rest.
const PARTS: u64 = 4;

/// How many reports a scan makes, about.
const REPORTS: u64 = 256;

/// Adds up what many threads have done.
pub(super) struct Meter<'a> {
    tell: &'a (dyn Fn(u64, u64) + Sync),
    functions: u64,
    /// In units of a function's share of one part.
    done: AtomicU64,
}

impl<'a> Meter<'a> {
    pub(super) fn new(functions: usize, tell: &'a (dyn Fn(u64, u64) + Sync)) -> Self {
        tell(0, functions as u64);
        Self {
            tell,
            functions: functions as u64,
            done: AtomicU64::new(0),
        }
    }

    /// One function was looked at.
    pub(super) fn looked(&self) {
        self.add(1);
    }

    /// One of `suspects` functions was analysed.
    pub(super) fn analysed(&self, suspects: usize) {
        self.add(self.functions * (PARTS - 1) / (suspects as u64).max(1));
    }

    /// Everything is done.
    pub(super) fn finish(&self) {
        (self.tell)(self.functions, self.functions);
    }

    fn add(&self, units: u64) {
        let before = self.done.fetch_add(units, Ordering::Relaxed);
        let step = (self.functions * PARTS / REPORTS).max(1);
        if before / step != (before + units) / step {
            let done = ((before + units) / PARTS).min(self.functions);
            (self.tell)(done, self.functions);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::Meter;

    #[test]
    fn the_suspicious_few_count_for_most_and_the_end_is_the_whole() {
        let told = Mutex::new(Vec::new());
        let tell = |done, all| told.lock().unwrap().push((done, all));
        let meter = Meter::new(1000, &tell);
        (0..1000).for_each(|_| meter.looked());
        let after_the_look = told.lock().unwrap().last().copied();
        (0..7).for_each(|_| meter.analysed(7));
        meter.finish();
        let told = told.lock().unwrap();
        assert!(told.is_sorted(), "{told:?}");
        assert_eq!((told[0], told.last()), ((0, 1000), Some(&(1000, 1000))));
        let (looked, _) = after_the_look.unwrap();
        assert!((240..=250).contains(&looked), "{looked}");
    }
}
