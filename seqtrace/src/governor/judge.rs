//! Readings in, orders out.

use std::collections::VecDeque;

use super::{
    AIM, CEILING, ROOM, TICK_NS,
    reading::{Part, Reading, Spent},
    report::{Decision, Figures, Level, Report},
    unit::Unit,
};

/// Above so many times the budget one reading is enough, below it is the mean of [`WINDOW`].
const SHARP: f64 = 2.0;
/// Readings that are judged together.
const WINDOW: usize = 4;
/// Thinning by these powers of two is tried before a unit is taken off.
const SHIFTS: [u32; 3] = [2, 4, 6];
/// After so long the hits are looked at again when they are needed and were not looked at, nanoseconds.
const SOON_NS: u64 = 100_000_000;
/// A unit that costs less than this part of the budget stays: it would not be missed in the cost.
const NEGLIGIBLE: f64 = 0.02;
/// How long a unit stays turned down at first; twice as long after each trial that fails.
const FIRST_REST_NS: u64 = 4_000_000_000;
/// How long it does at most.
const LONGEST_REST_NS: u64 = 256_000_000_000;
/// How long it does at least where the shortest trial would take more than its share of a second's budget.
const DEAR_REST_NS: u64 = 300_000_000_000;
/// A trial lasts so long, or as much less as its unit was dearer than the budget.
const TRIAL_NS: u64 = 20_000_000;
/// A trial lasts at least so long.
const SHORTEST_TRIAL_NS: u64 = 3_000_000;
/// The part of a second's budget that a trial may spend, should its unit cost what it did.
const TRIAL_SHARE: f64 = 0.5;
/// Probing has gone wild at so many times the budget…
const WILD: f64 = 10.0;
/// … if it is this part of the machine's time at least, …
const WILD_LEAST: f64 = 0.25;
/// … in this many readings of which all but the last had the dearest turned down, or in one that comes late
/// by [`LATE`].
const WILD_READINGS: u32 = 2;
/// So many times [`TICK_NS`].
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
    /// When that was.
    down_ns: u64,
    rest_ns: u64,
    /// When it may be tried again; never where that has failed.
    again_ns: u64,
    /// When it came back.
    back_ns: Option<u64>,
}

/// A unit that is tried.
#[derive(Clone, Copy, Debug)]
struct Trial {
    unit: usize,
    /// What it was before.
    level: Level,
    wait_ns: u64,
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
    trial: Option<Trial>,
    /// Hits are needed to tell who is dear.
    is_urgent: bool,
    /// How many orders are being carried out.
    ordered: u64,
    /// How long it takes to carry one out, at most so far.
    toggle_ns: u64,
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
            down_ns: 0,
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
            is_urgent: false,
            ordered: 0,
            toggle_ns: 0,
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
        match self.trial {
            Some(trial) => trial.wait_ns,
            None if self.is_urgent => SOON_NS,
            None => TICK_NS,
        }
    }

    /// Whether the next reading is to have the hits: only where something may have to be turned down.
    pub fn wants_hits(&self) -> bool {
        let last = self.window.back().map_or(0.0, Spent::cost);
        self.is_urgent || self.trial.is_some() || last > ROOM * self.budget
    }

    /// Says what follows from the reading at the end of the time asked for. Once the orders are carried
    /// out, [`Governor::resume`] is to be called.
    pub fn judge(&mut self, now: Reading) -> Verdict {
        let time_ns = now.time_ns;
        let spent = self.take(now);
        let trial = self.trial.take();
        if self.is_wild(&spent, trial.is_some()) {
            return Verdict {
                orders: Vec::new(),
                is_wild: true,
            };
        }
        self.notice_demanded(&spent);
        self.window.push_back(spent.clone());
        if self.window.len() > WINDOW {
            self.window.pop_front();
        }
        let is_whole = self.window.len() == WINDOW;
        let all = Spent::sum(&self.window);
        let is_sharp = spent.cost() > SHARP * self.budget;
        let is_high = is_sharp || is_whole && all.cost() > CEILING * self.budget;
        let judged = if is_sharp { &spent } else { &all };
        self.is_urgent = is_high && judged.units.is_none();
        let orders = match trial {
            Some(trial) if spent.cost() > AIM * self.budget => {
                self.end_trial(trial, &spent, time_ns)
            }
            _ if is_high => self.turn_down(judged, time_ns),
            _ if is_whole && all.cost() < ROOM * self.budget => {
                self.begin_trial(all.cost(), time_ns)
            }
            _ => Vec::new(),
        };
        self.ordered = orders.len() as u64;
        Verdict {
            orders,
            is_wild: false,
        }
    }

    /// Begins anew after orders have been carried out, which takes time: what was spent meanwhile is
    /// counted, not judged.
    pub fn resume(&mut self, now: Reading) {
        let taken_ns = now.time_ns.saturating_sub(self.before.time_ns);
        self.toggle_ns = self.toggle_ns.max(taken_ns / self.ordered.max(1));
        self.take(now);
        self.window.clear();
    }

    /// Leaves a unit as it is for ever: the kernel did not do as it was told.
    pub fn give_up(&mut self, unit: usize) {
        self.states[unit].again_ns = u64::MAX;
        if self.trial.is_some_and(|trial| trial.unit == unit) {
            self.trial = None;
        }
    }

    /// Everything to be shown.
    pub fn report(&self) -> Report {
        let units = self.units.iter().zip(&self.states);
        Report {
            figures: Figures {
                budget: self.budget,
                cpus: self.before.cpus,
                trap_ns: self.trap_ns,
                now: self.now(),
                mean: self.sum.cost(),
                peak: self.peak,
            },
            decisions: self.decisions.clone(),
            off: units
                .filter(|(unit, state)| state.level == Level::Off && !unit.on_demand)
                .flat_map(|(unit, _)| unit.slots.iter().copied())
                .collect(),
        }
    }

    fn take(&mut self, now: Reading) -> Spent {
        let spent = Spent::between(&self.before, &now, &self.units, self.trap_ns);
        self.before = now;
        self.sum = std::mem::take(&mut self.sum).with(spent.clone());
        self.second.push_back(spent.clone());
        let elapsed = |second: &VecDeque<Spent>| second.iter().map(|s| s.elapsed_ns).sum::<u64>();
        while elapsed(&self.second) - self.second.front().map_or(0, |s| s.elapsed_ns) >= SECOND_NS {
            self.second.pop_front();
        }
        self.peak = self.peak.max(self.now());
        spent
    }

    fn now(&self) -> f64 {
        Spent::sum(&self.second).cost()
    }

    /// Whether turning down does not help, or comes too late.
    fn is_wild(&mut self, spent: &Spent, is_tried: bool) -> bool {
        if spent.cost() <= (WILD * self.budget).max(WILD_LEAST) {
            self.wild = 0;
            return false;
        }
        // Without the hits nothing could be turned down yet.
        self.wild += u32::from(spent.units.is_some());
        self.wild >= WILD_READINGS || spent.elapsed_ns >= LATE * TICK_NS && !is_tried
    }

    /// Units that others put back after they were turned down count in full again.
    fn notice_demanded(&mut self, spent: &Spent) {
        let Some(parts) = &spent.units else { return };
        for ((unit, state), part) in self.units.iter().zip(&mut self.states).zip(parts) {
            if unit.on_demand && part.total_ns() > 0.0 {
                state.level = Level::Full;
            }
        }
    }

    /// Turns the dearest units down until the cost would be what is aimed at; nothing where it is not known
    /// which these are.
    fn turn_down(&mut self, spent: &Spent, time_ns: u64) -> Vec<Order> {
        let mut orders = Vec::new();
        let Some(parts) = &spent.units else {
            return orders;
        };
        let allowed_ns = self.budget * spent.machine_ns;
        let mut excess_ns = spent.total_ns - AIM * allowed_ns;
        let mut dearest: Vec<(usize, Part)> = parts.iter().copied().enumerate().collect();
        dearest.sort_by(|(_, one), (_, other)| other.total_ns().total_cmp(&one.total_ns()));
        for (unit, part) in dearest {
            if excess_ns <= 0.0 || part.total_ns() < NEGLIGIBLE * allowed_ns {
                break;
            }
            let (level, saved_ns) = self.lower(unit, part, excess_ns);
            let Some(level) = level else { continue };
            excess_ns -= saved_ns;
            let own = part.total_ns() / spent.machine_ns;
            orders.push(self.order(unit, level, (spent.cost(), own), time_ns));
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
            if self.units[unit].on_demand {
                // Whoever wanted it may want it again.
                state.again_ns = u64::MAX;
            } else if state.again_ns != u64::MAX {
                state.again_ns = time_ns.saturating_add(state.rest_ns);
            }
            (state.own, state.down_ns) = (own, time_ns);
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

    /// How long a trial of a unit that cost `own` may last beside the time in which its probes come and go;
    /// `None`: not even that long.
    fn trial_ns(&self, own: f64) -> Option<u64> {
        let share = TRIAL_SHARE * self.budget / own.max(self.budget);
        let wait_ns = ((share * SECOND_NS as f64) as u64).saturating_sub(2 * self.toggle_ns);
        (wait_ns >= SHORTEST_TRIAL_NS).then(|| wait_ns.min(TRIAL_NS))
    }

    /// Brings the unit back that was cheapest, of those that have rested.
    fn begin_trial(&mut self, cost: f64, time_ns: u64) -> Vec<Order> {
        let has_rested = |state: &State| {
            let is_dear = self.trial_ns(state.own).is_none();
            state.level != Level::Full
                && state.again_ns <= time_ns
                && (!is_dear || time_ns.saturating_sub(state.down_ns) >= DEAR_REST_NS)
        };
        let states = self.states.iter().enumerate();
        let rested = states.filter(|(_, state)| has_rested(state));
        let cheapest = rested.min_by(|(_, one), (_, other)| one.own.total_cmp(&other.own));
        let Some((unit, &State { own, level, .. })) = cheapest else {
            return Vec::new();
        };
        self.trial = Some(Trial {
            unit,
            level,
            wait_ns: self.trial_ns(own).unwrap_or(SHORTEST_TRIAL_NS),
        });
        vec![self.order(unit, Level::Full, (cost, own), time_ns)]
    }

    /// The cost is too high still: back to what it was before, unless others are to blame.
    fn end_trial(&mut self, trial: Trial, spent: &Spent, time_ns: u64) -> Vec<Order> {
        let Trial { unit, level, .. } = trial;
        let part = spent.units.as_ref().map(|units| units[unit]);
        let own = part.unwrap_or_default().total_ns() / spent.machine_ns;
        if own <= AIM * self.budget {
            return Vec::new();
        }
        vec![self.order(unit, level, (spent.cost(), own), time_ns)]
    }
}

/// One second.
const SECOND_NS: u64 = 1_000_000_000;
