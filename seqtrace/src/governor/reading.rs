//! Two readings → what was spent between them, by unit.

use super::unit::Unit;

/// What one program did since it was loaded.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Use {
    /// Traps that led to it, those in which it could not run included; none where it is no probe's.
    pub traps: u64,
    /// How often it ran.
    pub runs: u64,
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
    /// How often the probe of each slot was hit, counted or not.
    pub hits: Vec<u64>,
}

/// What one unit spent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Part {
    /// In traps, nanoseconds.
    pub(super) trap_ns: f64,
    /// In programs, nanoseconds; an equal share for each run of a program.
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
    /// The same by unit. What is spent where no hit is counted, at the ends of holds outside of the
    /// window, is in no unit.
    pub(super) units: Vec<Part>,
}

impl Spent {
    /// From `before` to `now`. Without a price of the trap only programs cost something.
    pub(super) fn between(
        before: &Reading,
        now: &Reading,
        units: &[Unit],
        trap_ns: Option<u64>,
    ) -> Self {
        let trap_ns = trap_ns.unwrap_or(0) as f64;
        let elapsed_ns = now.time_ns.saturating_sub(before.time_ns);
        let programs = now.programs.iter().zip(&before.programs);
        let used: Vec<Use> = programs
            .map(|(now, before)| Use {
                traps: now.traps.saturating_sub(before.traps),
                runs: now.runs.saturating_sub(before.runs),
                run_ns: now.run_ns.saturating_sub(before.run_ns),
            })
            .collect();
        let each_ns = |program: &usize| {
            let Use { runs, run_ns, .. } = used.get(*program).copied().unwrap_or_default();
            run_ns as f64 / runs.max(1) as f64
        };
        let hits = |slot: &u32| {
            let of = |reading: &Reading| reading.hits.get(*slot as usize).copied().unwrap_or(0);
            of(now).saturating_sub(of(before))
        };
        let units = units.iter().map(|unit| {
            let hits = unit.slots.iter().map(hits).sum::<u64>() as f64;
            let runs = hits * unit.programs.len() as f64;
            let run_ns: f64 = unit.programs.iter().map(each_ns).sum();
            Part {
                trap_ns: runs * trap_ns,
                program_ns: hits * run_ns,
            }
        });
        Self {
            elapsed_ns,
            machine_ns: elapsed_ns as f64 * f64::from(now.cpus),
            total_ns: used
                .iter()
                .map(|used| used.run_ns as f64 + used.traps as f64 * trap_ns)
                .sum(),
            units: units.collect(),
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

    /// Adds what was spent in another stretch of time.
    pub(super) fn add(&mut self, other: &Self) {
        self.elapsed_ns += other.elapsed_ns;
        self.machine_ns += other.machine_ns;
        self.total_ns += other.total_ns;
        if self.units.len() < other.units.len() {
            self.units.resize(other.units.len(), Part::default());
        }
        for (sum, part) in self.units.iter_mut().zip(&other.units) {
            sum.trap_ns += part.trap_ns;
            sum.program_ns += part.program_ns;
        }
    }
}
