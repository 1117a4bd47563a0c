//! Two readings → what was spent between them, by unit.

use super::unit::Unit;

/// What one program did since it was loaded.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Use {
    /// Traps that led to it, those in which it could not run included; none where it is no probe's.
    pub traps: u64,
    /// Time in it, nanoseconds.
    pub run_ns: u64,
}

/// Totals at one moment.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Reading {
    /// Time since the counting began, nanoseconds.
    pub time_ns: u64,
    /// CPUs that are online.
    pub cpus: u32,
    /// The programs, always in the same order.
    pub programs: Vec<Use>,
    /// How often the probe of each slot was hit, counted or not; `None`: it was not looked at, since that
    /// keeps the kernel from running probes meanwhile.
    pub hits: Option<Vec<u64>>,
}

/// What one unit spent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Part {
    /// In traps, nanoseconds.
    pub(super) trap_ns: f64,
    /// In programs, nanoseconds.
    pub(super) program_ns: f64,
}

impl Part {
    pub(super) fn total_ns(self) -> f64 {
        self.trap_ns + self.program_ns
    }
}

/// What was spent between two readings.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Spent {
    /// Time that passed, nanoseconds.
    pub(super) elapsed_ns: u64,
    /// Time of all CPUs, nanoseconds.
    pub(super) machine_ns: f64,
    /// In traps and programs, nanoseconds.
    pub(super) total_ns: f64,
    /// The same by unit: what each program spent, shared by the hits that led to it. `None`: the hits
    /// were not looked at. What has no hit, such as samples, is in no unit.
    pub(super) units: Option<Vec<Part>>,
}

impl Spent {
    /// From `before` to `now`. Without a price of the trap only programs cost something.
    pub(super) fn between(
        before: &Reading,
        now: &Reading,
        units: &[Unit],
        trap_ns: Option<u64>,
    ) -> Self {
        let elapsed_ns = now.time_ns.saturating_sub(before.time_ns);
        let programs = now.programs.iter().zip(&before.programs);
        let trap_ns = trap_ns.unwrap_or(0) as f64;
        let parts: Vec<Part> = programs
            .map(|(now, before)| Part {
                trap_ns: now.traps.saturating_sub(before.traps) as f64 * trap_ns,
                program_ns: now.run_ns.saturating_sub(before.run_ns) as f64,
            })
            .collect();
        let hits = now.hits.as_ref().zip(before.hits.as_ref());
        Self {
            elapsed_ns,
            machine_ns: elapsed_ns as f64 * f64::from(now.cpus),
            total_ns: parts.iter().copied().map(Part::total_ns).sum(),
            units: hits.map(|(now, before)| shares(units, &parts, now, before)),
        }
    }

    /// The part of the machine's time; zero of nothing.
    pub(super) fn cost(&self) -> f64 {
        if self.machine_ns > 0.0 {
            self.total_ns / self.machine_ns
        } else {
            0.0
        }
    }

    /// What was spent in several stretches of time.
    pub(super) fn sum<'a>(stretches: impl IntoIterator<Item = &'a Self>) -> Self {
        let stretches = stretches.into_iter().cloned();
        stretches.reduce(Self::with).unwrap_or_default()
    }

    /// This stretch and another.
    pub(super) fn with(mut self, other: Self) -> Self {
        self.elapsed_ns += other.elapsed_ns;
        self.machine_ns += other.machine_ns;
        self.total_ns += other.total_ns;
        self.units = self.units.zip(other.units).map(|(mut units, others)| {
            for (sum, part) in units.iter_mut().zip(others) {
                sum.trap_ns += part.trap_ns;
                sum.program_ns += part.program_ns;
            }
            units
        });
        self
    }
}

/// What each unit spent: its share of each program's time and traps.
fn shares(units: &[Unit], programs: &[Part], now: &[u64], before: &[u64]) -> Vec<Part> {
    let of = |hits: &[u64], slot: u32| hits.get(slot as usize).copied().unwrap_or(0);
    let hits = |unit: &Unit| -> u64 {
        let slots = unit.slots.iter();
        slots
            .map(|slot| of(now, *slot).saturating_sub(of(before, *slot)))
            .sum()
    };
    let mut runs = vec![0.0; programs.len()];
    for unit in units {
        for program in &unit.programs {
            if let Some(runs) = runs.get_mut(*program) {
                *runs += hits(unit) as f64;
            }
        }
    }
    let share = |unit: &Unit| {
        let mut sum = Part::default();
        let hits = hits(unit) as f64;
        for program in &unit.programs {
            if let (Some(part), Some(runs)) = (programs.get(*program), runs.get(*program))
                && *runs > 0.0
            {
                sum.trap_ns += part.trap_ns * hits / runs;
                sum.program_ns += part.program_ns * hits / runs;
            }
        }
        sum
    };
    units.iter().map(share).collect()
}
