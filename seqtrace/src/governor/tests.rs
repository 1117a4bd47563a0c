//! The governor on a machine that is made up: every unit is hit at a rate of its own.

use super::*;

const SECOND_NS: u64 = 1_000_000_000;
const CPUS: u32 = 2;
const TRAP_NS: u64 = 1000;
/// The time of one run of the only program.
const RUN_NS: u64 = 500;

/// When a storm is turned down, milliseconds: a tick finds that it costs too much, and two short waits whose
/// probe it is.
const FOUND_MS: u64 = 450;

/// One probe.
#[derive(Clone, Copy)]
struct Probe {
    /// Hits in a second.
    rate: u64,
    can_thin: bool,
    on_demand: bool,
}

const QUIET: Probe = storm(10);

const fn storm(rate: u64) -> Probe {
    Probe {
        rate,
        can_thin: false,
        on_demand: false,
    }
}

struct Machine {
    probes: Vec<Probe>,
    levels: Vec<Level>,
    governor: Governor,
    totals: Reading,
    hits: Vec<u64>,
    trap_ns: u64,
    /// Time in programs that no hit leads to, of each second.
    other_ns: u64,
    /// The orders do nothing.
    is_deaf: bool,
    /// How long it takes to take a probe off; it goes at once, and the rest is a grace period.
    removal_ns: u64,
    /// (when it ended, cost) of each whole second.
    seconds: Vec<(u64, f64)>,
    spent_ns: u64,
}

impl Machine {
    fn new(budget: f64, probes: Vec<Probe>) -> Self {
        Self::with_trap(budget, TRAP_NS, probes)
    }

    fn with_trap(budget: f64, trap_ns: u64, probes: Vec<Probe>) -> Self {
        let unit = |(slot, probe): (u32, &Probe)| Unit {
            slots: vec![slot],
            programs: vec![0],
            can_thin: probe.can_thin,
            writes: false,
            on_demand: probe.on_demand,
        };
        let units = (0..).zip(&probes).map(unit).collect();
        let totals = Reading {
            time_ns: 0,
            cpus: CPUS,
            programs: vec![Use::default(); 2],
            hits: None,
        };
        Self {
            hits: vec![0; probes.len()],
            levels: vec![Level::Full; probes.len()],
            probes,
            governor: Governor::new(budget, Some(trap_ns), units, totals.clone()),
            totals,
            trap_ns,
            other_ns: 0,
            is_deaf: false,
            removal_ns: 0,
            seconds: Vec::new(),
            spent_ns: 0,
        }
    }

    /// Lets time pass, in steps short enough for the ends of seconds to be met.
    fn pass(&mut self, mut time_ns: u64) {
        while time_ns > 0 {
            let rest_ns = SECOND_NS - self.totals.time_ns % SECOND_NS;
            let step_ns = time_ns.min(rest_ns);
            self.step(step_ns);
            time_ns -= step_ns;
            if self.totals.time_ns.is_multiple_of(SECOND_NS) {
                let cost = self.spent_ns as f64 / (SECOND_NS * u64::from(CPUS)) as f64;
                self.seconds.push((self.totals.time_ns, cost));
                self.spent_ns = 0;
            }
        }
    }

    fn step(&mut self, step_ns: u64) {
        self.totals.time_ns += step_ns;
        for (slot, (probe, level)) in self.probes.iter().zip(&self.levels).enumerate() {
            let hits =
                (u128::from(probe.rate) * u128::from(step_ns) / u128::from(SECOND_NS)) as u64;
            let run_ns = match level {
                Level::Off => continue,
                Level::Full => hits * RUN_NS,
                // Those that are passed over take a tenth of the time.
                Level::Thinned { shift } => (hits >> shift) * RUN_NS + hits * RUN_NS / 10,
            };
            self.hits[slot] += hits;
            self.totals.programs[0].traps += hits;
            self.totals.programs[0].run_ns += run_ns;
            self.spent_ns += hits * self.trap_ns + run_ns;
        }
        let other_ns = u128::from(self.other_ns) * u128::from(step_ns) / u128::from(SECOND_NS);
        self.totals.programs[1].run_ns += other_ns as u64;
    }

    /// What the governor would see now.
    fn reading(&self) -> Reading {
        let hits = self.governor.wants_hits().then(|| self.hits.clone());
        Reading {
            hits,
            ..self.totals.clone()
        }
    }

    /// Runs up to a time; whether probing went wild.
    fn run_to(&mut self, end_ns: u64) -> bool {
        while self.totals.time_ns < end_ns {
            self.pass(self.governor.wait_ns());
            let verdict = self.governor.judge(self.reading());
            if verdict.is_wild {
                return true;
            }
            for Order { unit, level } in &verdict.orders {
                if !self.is_deaf {
                    self.levels[*unit] = *level;
                }
                if *level == Level::Off {
                    self.pass(self.removal_ns);
                }
            }
            if !verdict.orders.is_empty() {
                self.governor.resume(self.reading());
            }
        }
        false
    }

    fn decisions(&self) -> Vec<(u64, u32, Level)> {
        let decisions = self.governor.report().decisions;
        let told = |one: &Decision| (one.time_ns / 1_000_000, one.slots[0], one.level);
        decisions.iter().map(told).collect()
    }
}

#[test]
fn what_is_within_the_budget_is_left_alone() {
    let mut machine = Machine::new(0.01, vec![storm(9000), QUIET]);
    assert!(!machine.run_to(60 * SECOND_NS));
    assert_eq!(machine.decisions(), []);
    let report = machine.governor.report();
    // 9010 hits a second of 1.5 us each, on two CPUs.
    assert!((report.figures.mean - 0.00676).abs() < 0.0001, "{report:?}");
    assert!((report.figures.now - 0.00676).abs() < 0.0001, "{report:?}");
}

/// When a storm was tried again in 100 seconds, each second of which but the first two was within the budget.
fn trials(rate: u64, removal_ns: u64) -> Vec<u64> {
    let mut machine = Machine::new(0.01, vec![QUIET, storm(rate), QUIET]);
    machine.removal_ns = removal_ns;
    assert!(!machine.run_to(100 * SECOND_NS));
    let late = machine
        .seconds
        .iter()
        .filter(|(end_ns, _)| *end_ns > 2 * SECOND_NS);
    let worst = late.map(|(_, cost)| *cost).fold(0.0, f64::max);
    assert!(worst < 0.01, "{rate} hits/s: {worst}");
    let decisions = machine.decisions();
    assert_eq!(decisions[0], (FOUND_MS, 1, Level::Off));
    // Only the storm was turned down.
    assert!(
        decisions.iter().all(|(_, slot, _)| *slot == 1),
        "{decisions:?}"
    );
    let trials = decisions.iter().filter(|(.., level)| *level == Level::Full);
    trials.map(|(time_ms, ..)| time_ms / 1000).collect()
}

#[test]
fn a_storm_is_found_at_once_and_every_later_second_is_within_the_budget() {
    for rate in [50_000, 300_000, 800_000] {
        let trials = trials(rate, 0);
        assert!((4..=5).contains(&trials.len()), "{trials:?}");
    }
}

#[test]
fn a_probe_whose_trial_would_take_a_second_over_the_budget_is_not_tried_soon() {
    assert_eq!(trials(800_000, 50_000_000), [0_u64; 0]);
    let mut machine = Machine::new(0.01, vec![storm(800_000)]);
    machine.removal_ns = 50_000_000;
    assert!(!machine.run_to(400 * SECOND_NS));
    let trials = machine.decisions();
    let trials: Vec<_> = trials
        .iter()
        .filter(|(.., level)| *level == Level::Full)
        .collect();
    assert!(
        matches!(trials[..], [(300_000..=302_000, ..)]),
        "{trials:?}"
    );
}

#[test]
fn what_no_probe_costs_has_no_probe_turned_down() {
    let mut machine = Machine::new(0.01, vec![QUIET, storm(100)]);
    // 5 % of the machine.
    machine.other_ns = 100_000_000;
    assert!(!machine.run_to(10 * SECOND_NS));
    assert_eq!(machine.decisions(), []);
}

#[test]
fn what_is_probed_on_demand_comes_back_when_it_is_wanted_and_not_before() {
    let mut machine = Machine::new(0.01, vec![storm(300_000)]);
    machine.probes[0].on_demand = true;
    let mut machine = Machine::new(0.01, machine.probes);
    assert!(!machine.run_to(100 * SECOND_NS));
    let first = (FOUND_MS, 0, Level::Off);
    assert_eq!(machine.decisions(), [first]);
    assert!(machine.governor.report().off.is_empty());
    // Somebody probes it again.
    machine.levels[0] = Level::Full;
    assert!(!machine.run_to(110 * SECOND_NS));
    let decisions = machine.decisions();
    assert!(
        matches!(decisions[..], [_, (100_000..102_000, 0, Level::Off)]),
        "{decisions:?}"
    );
}

#[test]
fn a_probe_comes_back_for_good_when_its_storm_is_over() {
    let mut machine = Machine::new(0.01, vec![storm(300_000)]);
    assert!(!machine.run_to(20 * SECOND_NS));
    assert_eq!(machine.levels, [Level::Off]);
    machine.probes[0].rate = 100;
    assert!(!machine.run_to(80 * SECOND_NS));
    assert_eq!(machine.levels, [Level::Full]);
    let decisions = machine.decisions();
    assert!(!machine.run_to(200 * SECOND_NS));
    assert_eq!(machine.decisions(), decisions, "it flaps");
    assert!(machine.governor.report().off.is_empty());
}

#[test]
fn only_as_many_of_the_dearest_go_as_it_takes() {
    // 3 %, 1.5 %, 0.15 % and 0.15 % of the machine: without the first two it is 0.3 %.
    let probes = vec![storm(2000), storm(40_000), storm(20_000), storm(2000)];
    let mut machine = Machine::new(0.01, probes);
    assert!(!machine.run_to(3 * SECOND_NS));
    assert_eq!(
        machine.decisions(),
        [(FOUND_MS, 1, Level::Off), (FOUND_MS, 2, Level::Off)]
    );
}

#[test]
fn a_cost_just_above_the_ceiling_is_judged_by_a_whole_second() {
    // 0.9 % of the machine.
    let mut machine = Machine::new(0.01, vec![storm(12_000)]);
    assert!(!machine.run_to(3 * SECOND_NS));
    assert_eq!(machine.decisions(), [(1200, 0, Level::Off)]);
}

#[test]
fn one_hit_of_several_counts_where_that_is_enough() {
    let retry = Probe {
        rate: 30_000,
        can_thin: true,
        on_demand: false,
    };
    for (trap_ns, first) in [(100, Level::Thinned { shift: 2 }), (TRAP_NS, Level::Off)] {
        // 0.9 % of the machine with the cheap trap, of which programs are 0.75 %; 2.25 % with the other.
        let mut machine = Machine::with_trap(0.01, trap_ns, vec![retry, QUIET]);
        assert!(!machine.run_to(4 * SECOND_NS));
        assert_eq!(machine.decisions()[0].1, 0);
        assert_eq!(machine.decisions()[0].2, first, "{trap_ns}");
        assert_eq!(machine.decisions().len(), 1);
    }
    // As much as eight times that, and more than thinning alone can save.
    let mut machine = Machine::with_trap(0.01, 100, vec![retry]);
    assert!(!machine.run_to(4 * SECOND_NS));
    machine.probes[0].rate *= 8;
    assert!(!machine.run_to(8 * SECOND_NS));
    assert_eq!(machine.levels, [Level::Off]);
}

#[test]
fn a_probe_that_the_kernel_keeps_is_wild_if_it_is_dear() {
    let mut machine = Machine::new(0.01, vec![storm(1_000_000)]);
    machine.is_deaf = true;
    assert!(machine.run_to(10 * SECOND_NS));
    assert!(
        machine.totals.time_ns <= SECOND_NS,
        "{}",
        machine.totals.time_ns
    );
    // A tenth of the machine is much, and no reason to panic.
    let mut machine = Machine::new(0.01, vec![storm(130_000)]);
    machine.is_deaf = true;
    assert!(!machine.run_to(10 * SECOND_NS));
}

#[test]
fn a_reading_that_comes_far_too_late_is_wild_if_the_cost_is() {
    for (rate, is_wild) in [(1_000_000, true), (1000, false)] {
        let mut machine = Machine::new(0.01, vec![storm(rate)]);
        machine.pass(5 * TICK_NS);
        let verdict = machine.governor.judge(machine.reading());
        assert_eq!(verdict.is_wild, is_wild, "{rate}");
    }
}

#[test]
fn what_the_kernel_refuses_to_take_back_is_not_tried_again() {
    let mut machine = Machine::new(0.01, vec![storm(300_000)]);
    assert!(!machine.run_to(SECOND_NS));
    machine.governor.give_up(0);
    assert!(!machine.run_to(100 * SECOND_NS));
    assert_eq!(machine.decisions(), [(FOUND_MS, 0, Level::Off)]);
}

#[test]
fn without_the_price_of_a_trap_programs_are_judged_alone() {
    let totals = |runs| Reading {
        time_ns: SECOND_NS,
        cpus: CPUS,
        programs: vec![Use {
            traps: runs,
            run_ns: runs * RUN_NS,
        }],
        hits: Some(vec![runs]),
    };
    let unit = Unit {
        slots: vec![0],
        programs: vec![0],
        can_thin: false,
        writes: false,
        on_demand: false,
    };
    let mut governor = Governor::new(
        0.01,
        None,
        vec![unit],
        Reading {
            time_ns: 0,
            ..totals(0)
        },
    );
    governor.judge(totals(20_000));
    let report = governor.report();
    assert!((report.figures.mean - 0.005).abs() < 1e-9, "{report:?}");
    assert_eq!(report.figures.trap_ns, None);
}
