//! Readings in, orders out.

use std::collections::VecDeque;

use super::{
    AIM, CEILING, ROOM, TICK_NS,
    reading::{Part, Reading, Spent},
    report::{Decision, Level, Report},
    unit::Unit,
};

/// Above so many times the budget one reading is enough, below it is the mean of [`WINDOW`].
const SHARP: f64 = 2.0;
/// Readings that are judged together.
const WINDOW: usize = 4;
/// Thinning by these powers of two is tried before a unit is taken off.
const SHIFTS: [u32; 3] = [2, 4, 6];
/// How long a unit stays turned down at first; twice as long after each trial that fails.
const FIRST_REST_NS: u64 = 4_000_000_000;
/// How long it does at most.
const LONGEST_REST_NS: u64 = 256_000_000_000;
/// A trial lasts so long, or as much less as its unit was dearer than the budget.
const TRIAL_NS: u64 = 20_000_000;
/// A trial lasts at least so long.
const SHORTEST_TRIAL_NS: u64 = 3_000_000;
/// The part of a second's budget that a trial may spend, should its unit cost what it did.
const TRIAL_SHARE: f64 = 0.25;
/// Probing has gone wild at so many times the budget…
const WILD: f64 = 10.0;
/// … if it is this part of the machine's time at least, …
const WILD_LEAST: f64 = 0.25;
/// … in this many readings one after the other, or in one that comes late by [`LATE`].
const WILD_READINGS: u32 = 2;
/// So many times the time asked for.
const LATE: u64 = 5;

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// The unit's place in the list of units.
    pub unit: usize,
    /// What becomes of it.
    pub level: Level,
}

/// What follows from a reading.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// In this order.
    pub orders: Vec<Order>,
    /// Turning down does not help, or comes too late: all probes are to go, at once.
    pub is_wild: bool,
}

#[derive(Clone, Copy, Debug)]
struct State {
    level: Level,
    /// What it cost when it was turned down.
    own: f64,
    rest_ns: u64,
    /// When it may be tried again; never where that has failed.
    again_ns: u64,
    /// When it came back.
    back_ns: Option<u64>,
}

/// Keeps the cost of a session within its budget.
#[derive(Debug)]
pub struct Governor {
    budget: f64,
    trap_ns: Option<u64>,
    units: Vec<Unit>,
    states: Vec<State>,
    before: Reading,
    window: VecDeque<Spent>,
    second: VecDeque<Spent>,
    sum: Spent,
    /// The unit that is tried, and what it was before.
    trial: Option<(usize, Level)>,
    wild: u32,
    peak: f64,
    decisions: Vec<Decision>,
}

impl Governor {
    /// Allows `budget`, a part of the time of all CPUs, from `first` on.
    pub fn new(budget: f64, trap_ns: Option<u64>, units: Vec<Unit>, first: Reading) -> Self {
        let state = State {
            level: Level::Full,
            own: 0.0,
            rest_ns: FIRST_REST_NS,
            again_ns: 0,
            back_ns: None,
        };
        Self {
            budget,
            trap_ns,
            states: vec![state; units.len()],
            units,
            before: first,
            window: VecDeque::new(),
            second: VecDeque::new(),
            sum: Spent::default(),
            trial: None,
            wild: 0,
            peak: 0.0,
            decisions: Vec::new(),
        }
    }

    /// The units, in the order in which [`Order::unit`] counts.
    pub fn units(&self) -> &[Unit] {
        &self.units
    }

    /// When the next reading is wanted, nanoseconds from the last.
    pub fn wait_ns(&self) -> u64 {
        let Some((unit, _)) = self.trial else {
            return TICK_NS;
        };
        let share = TRIAL_SHARE * self.budget / self.states[unit].own.max(self.budget);
        ((share * 1e9) as u64).clamp(SHORTEST_TRIAL_NS, TRIAL_NS)
    }

    /// Says what follows from the reading at the end of the time asked for. Once the orders are carried
    /// out, [`Governor::resume`] is to be called.
    pub fn judge(&mut self, now: Reading) -> Verdict {
        let wait_ns = self.wait_ns();
        let time_ns = now.time_ns;
        let spent = self.take(now);
        let cost = spent.cost();
        let is_late = spent.elapsed_ns >= LATE * wait_ns;
        let trial = self.trial.take();
        let is_high = cost > (WILD * self.budget).max(WILD_LEAST);
        self.wild = if is_high { self.wild + 1 } else { 0 };
        if self.wild >= WILD_READINGS || is_high && is_late && trial.is_none() {
            return Verdict {
                orders: Vec::new(),
                is_wild: true,
            };
        }
        self.window.push_back(spent.clone());
        if self.window.len() > WINDOW {
            self.window.pop_front();
        }
        let orders = match trial {
            Some(trial) if cost > AIM * self.budget => self.end_trial(trial, &spent, time_ns),
            _ if cost > SHARP * self.budget => self.turn_down(&spent, time_ns),
            _ if self.window.len() == WINDOW => {
                let mut all = Spent::default();
                self.window.iter().for_each(|spent| all.add(spent));
                if all.cost() > CEILING * self.budget {
                    self.turn_down(&all, time_ns)
                } else if all.cost() < ROOM * self.budget {
                    self.begin_trial(all.cost(), time_ns)
                } else {
                    Vec::new()
                }
            }
            _ => Vec::new(),
        };
        Verdict {
            orders,
            is_wild: false,
        }
    }

    /// Begins anew after orders have been carried out, which takes time: what was spent meanwhile is
    /// counted, not judged.
    pub fn resume(&mut self, now: Reading) {
        self.take(now);
        self.window.clear();
    }

    /// Leaves a unit as it is for ever: the kernel did not do as it was told.
    pub fn give_up(&mut self, unit: usize) {
        self.states[unit].again_ns = u64::MAX;
        if self.trial.is_some_and(|(tried, _)| tried == unit) {
            self.trial = None;
        }
    }

    /// Everything to be shown.
    pub fn report(&self) -> Report {
        let units = self.units.iter().zip(&self.states);
        Report {
            budget: self.budget,
            cpus: self.before.cpus,
            trap_ns: self.trap_ns,
            now: self.now(),
            mean: self.sum.cost(),
            peak: self.peak,
            decisions: self.decisions.clone(),
            off: units
                .filter(|(_, state)| state.level == Level::Off)
                .flat_map(|(unit, _)| unit.slots.iter().copied())
                .collect(),
        }
    }

    fn take(&mut self, now: Reading) -> Spent {
        let spent = Spent::between(&self.before, &now, &self.units, self.trap_ns);
        self.before = now;
        self.sum.add(&spent);
        self.second.push_back(spent.clone());
        let elapsed = |second: &VecDeque<Spent>| second.iter().map(|s| s.elapsed_ns).sum::<u64>();
        while elapsed(&self.second) - self.second.front().map_or(0, |s| s.elapsed_ns) >= SECOND_NS {
            self.second.pop_front();
        }
        self.peak = self.peak.max(self.now());
        spent
    }

    fn now(&self) -> f64 {
        let mut all = Spent::default();
        self.second.iter().for_each(|spent| all.add(spent));
        all.cost()
    }

    /// Turns the dearest units down until the cost would be what is aimed at.
    fn turn_down(&mut self, spent: &Spent, time_ns: u64) -> Vec<Order> {
        let cost = spent.cost();
        let mut excess_ns = spent.total_ns - AIM * self.budget * spent.machine_ns;
        let mut dearest: Vec<(usize, Part)> = spent.units.iter().copied().enumerate().collect();
        dearest.sort_by(|(_, one), (_, other)| other.total_ns().total_cmp(&one.total_ns()));
        let mut orders = Vec::new();
        for (unit, part) in dearest {
            if excess_ns <= 0.0 || part.total_ns() <= 0.0 {
                break;
            }
            let (level, saved_ns) = self.lower(unit, part, excess_ns);
            let Some(level) = level else { continue };
            excess_ns -= saved_ns;
            orders.push(self.order(
                unit,
                level,
                (cost, part.total_ns() / spent.machine_ns),
                time_ns,
            ));
        }
        orders
    }

    /// What a unit is turned down to and what that saves: the least that is enough, else all.
    fn lower(&self, unit: usize, part: Part, excess_ns: f64) -> (Option<Level>, f64) {
        let state = &self.states[unit];
        let shift_now = match state.level {
            Level::Full => 0,
            Level::Thinned { shift } => shift,
            // It cannot cost anything, or the kernel keeps it.
            Level::Off => return (None, 0.0),
        };
        if self.units[unit].can_thin {
            for shift in SHIFTS.into_iter().filter(|shift| *shift > shift_now) {
                let saved_ns = part.program_ns * (1.0 - 0.5_f64.powi((shift - shift_now) as i32));
                if saved_ns >= excess_ns {
                    return (Some(Level::Thinned { shift }), saved_ns);
                }
            }
        }
        (Some(Level::Off), part.total_ns())
    }

    fn order(&mut self, unit: usize, level: Level, (cost, own): (f64, f64), time_ns: u64) -> Order {
        let state = &mut self.states[unit];
        if level == Level::Full {
            state.back_ns = Some(time_ns);
        } else {
            let is_soon = |back_ns: u64| time_ns.saturating_sub(back_ns) <= state.rest_ns;
            state.rest_ns = match state.back_ns.take() {
                Some(back_ns) if is_soon(back_ns) => (2 * state.rest_ns).min(LONGEST_REST_NS),
                Some(_) | None => FIRST_REST_NS,
            };
            if state.again_ns != u64::MAX {
                state.again_ns = time_ns.saturating_add(state.rest_ns);
            }
            state.own = own;
        }
        state.level = level;
        self.decisions.push(Decision {
            time_ns,
            slots: self.units[unit].slots.clone(),
            level,
            cost,
            own,
        });
        Order { unit, level }
    }

    /// Brings the unit back that was cheapest, of those that have rested.
    fn begin_trial(&mut self, cost: f64, time_ns: u64) -> Vec<Order> {
        let states = self.states.iter().enumerate();
        let rested =
            states.filter(|(_, state)| state.level != Level::Full && state.again_ns <= time_ns);
        let cheapest = rested.min_by(|(_, one), (_, other)| one.own.total_cmp(&other.own));
        let Some((unit, state)) = cheapest else {
            return Vec::new();
        };
        let own = state.own;
        self.trial = Some((unit, state.level));
        vec![self.order(unit, Level::Full, (cost, own), time_ns)]
    }

    /// The cost is too high still: back to what it was before.
    fn end_trial(
        &mut self,
        (unit, level): (usize, Level),
        spent: &Spent,
        time_ns: u64,
    ) -> Vec<Order> {
        let own = spent.units[unit].total_ns() / spent.machine_ns;
        if own <= AIM * self.budget {
            // Others are to blame.
            return Vec::new();
        }
        vec![self.order(unit, level, (spent.cost(), own), time_ns)]
    }
}

/// One second.
const SECOND_NS: u64 = 1_000_000_000;
