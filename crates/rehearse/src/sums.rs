//! What many nights come to. Memory depends on the definition, never on the number of nights.

use std::collections::BTreeMap;

use nightly_rehearsal::{End, Night, Outcome, Visit};
use serde_json::Value;

use crate::histogram::Histogram;

/// The sums of many nights. The order in which nights are added changes nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Sums {
    /// How many nights there were.
    pub nights: u64,
    /// By the outcome's name.
    pub outcomes: BTreeMap<String, OutcomeSum>,
    /// How long people let nights wait, where they were asked.
    pub waits: Histogram,
    /// State transitions as AWS bills them.
    pub transitions: u64,
    /// The most of one night.
    pub most_transitions: u64,
    /// Thousandths of DPU-hours: whole numbers add up to the same in any order.
    pub dpu_hours_thousandths: u64,
    /// The Task states, in the order of the definition.
    pub states: Vec<StateSum>,
    /// By the invariant's name.
    pub violations: BTreeMap<String, ViolationSum>,
    /// By whose call it was and what became of it.
    pub faults: BTreeMap<(String, String), u64>,
    /// The night that went worst.
    pub worst: Option<Worst>,
}

/// The nights with one outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct OutcomeSum {
    /// How good that is.
    pub tone: Tone,
    /// How long they took.
    pub makespan: Histogram,
    /// The longest of them: makespan in milliseconds, seed.
    pub longest: (i64, u64),
}

/// How good an ending is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tone {
    /// The night did what it is there for.
    Well,
    /// The definition ended it on purpose, in a Fail state.
    Deliberate,
    /// It failed.
    Badly,
}

/// What became of one state.
#[derive(Debug, Clone, PartialEq)]
pub struct StateSum {
    /// Its name.
    pub name: String,
    /// How often it was entered.
    pub entered: u64,
    /// How often its task was called again after a failure.
    pub retried: u64,
    /// How often it failed for good, the definition going on from there.
    pub caught: u64,
    /// How often it failed for good, and the night or a Parallel around it with it.
    pub failed: u64,
    /// How often it was stopped.
    pub stopped: u64,
    /// How long it took where it ended well.
    pub took: Histogram,
    /// How often its tries failed with each error.
    pub errors: BTreeMap<String, u64>,
    /// Whether it waits for people.
    pub waits_for_token: bool,
}

/// The violations of one invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViolationSum {
    /// In how many nights.
    pub nights: u64,
    /// The smallest of their seeds.
    pub seed: u64,
    /// What was broken there.
    pub what: String,
}

/// How bad a night was; the greatest is the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Worst {
    /// Whether an invariant was violated.
    pub violated: bool,
    /// How it ended.
    pub tone: Tone,
    /// Its makespan in milliseconds.
    pub millis: i64,
    /// Of equals, the one with the smaller seed.
    pub seed: std::cmp::Reverse<u64>,
}

/// So many kinds of faults are told apart; their texts may hold anything.
const FAULT_KINDS: usize = 400;

impl Sums {
    /// Nothing yet, for this definition's states.
    pub fn new(definition: &Value) -> Self {
        let states = crate::tasks::task_states(definition).into_iter().map(|state| StateSum {
            name: state.name.to_owned(),
            entered: 0,
            retried: 0,
            caught: 0,
            failed: 0,
            stopped: 0,
            took: Histogram::default(),
            errors: BTreeMap::new(),
            waits_for_token: state.pattern() == crate::tasks::Pattern::Token,
        });
        Self {
            nights: 0,
            outcomes: BTreeMap::new(),
            waits: Histogram::default(),
            transitions: 0,
            most_transitions: 0,
            dpu_hours_thousandths: 0,
            states: states.collect(),
            violations: BTreeMap::new(),
            faults: BTreeMap::new(),
            worst: None,
        }
    }

    /// Counts a night.
    pub fn add(&mut self, night: &Night) {
        let millis = night.makespan_millis();
        self.nights += 1;
        let longest = (millis, night.seed);
        self.outcome(night.outcome.name(), tone(night), longest).makespan.add(millis);
        if let Some(wait) = night.approval_wait_millis {
            self.waits.add(wait);
        }
        self.transitions += night.transitions;
        self.most_transitions = self.most_transitions.max(night.transitions);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "hours of a night, never negative")]
        let thousandths = (night.dpu_hours * 1000.0).round() as u64;
        self.dpu_hours_thousandths += thousandths;
        for visit in &night.timeline {
            if let Some(state) = self.states.iter_mut().find(|state| state.name == visit.state) {
                state.add(visit);
            }
        }
        let mut violated: Vec<&str> = Vec::new();
        for violation in &night.violations {
            if !violated.contains(&violation.invariant) {
                violated.push(violation.invariant);
                let sum = ViolationSum { nights: 1, seed: night.seed, what: violation.what.clone() };
                self.violation(violation.invariant.to_owned(), sum);
            }
        }
        for fault in &night.faults {
            self.fault((fault.call.clone(), fault.fault.clone()), 1);
        }
        let worst = Worst { violated: !night.violations.is_empty(), tone: tone(night), millis, seed: std::cmp::Reverse(night.seed) };
        self.worst = self.worst.max(Some(worst));
    }

    /// Counts what another has counted.
    pub fn merge(&mut self, other: Self) {
        self.nights += other.nights;
        for (name, sum) in other.outcomes {
            self.outcome(name, sum.tone, sum.longest).makespan.merge(&sum.makespan);
        }
        self.waits.merge(&other.waits);
        self.transitions += other.transitions;
        self.most_transitions = self.most_transitions.max(other.most_transitions);
        self.dpu_hours_thousandths += other.dpu_hours_thousandths;
        self.states.iter_mut().zip(&other.states).for_each(|(mine, theirs)| mine.merge(theirs));
        for (name, sum) in other.violations {
            self.violation(name, sum);
        }
        for (key, count) in other.faults {
            self.fault(key, count);
        }
        self.worst = self.worst.max(other.worst);
    }

    /// The makespan of all nights.
    pub fn makespan(&self) -> Histogram {
        self.outcomes.values().fold(Histogram::default(), |mut all, sum| {
            all.merge(&sum.makespan);
            all
        })
    }

    /// The makespan of the nights that ended in this way.
    pub fn makespan_of(&self, tone: Tone) -> Histogram {
        self.outcomes.values().filter(|sum| sum.tone == tone).fold(Histogram::default(), |mut all, sum| {
            all.merge(&sum.makespan);
            all
        })
    }

    /// Outcomes, the most frequent first.
    pub fn by_frequency(&self) -> Vec<(&str, &OutcomeSum)> {
        let mut outcomes: Vec<_> = self.outcomes.iter().map(|(name, sum)| (name.as_str(), sum)).collect();
        outcomes.sort_by_key(|(_, sum)| std::cmp::Reverse(sum.makespan.count()));
        outcomes
    }

    fn outcome(&mut self, name: String, tone: Tone, longest: (i64, u64)) -> &mut OutcomeSum {
        let sum = self.outcomes.entry(name).or_insert_with(|| OutcomeSum { tone, makespan: Histogram::default(), longest });
        sum.tone = sum.tone.max(tone);
        let rank = |(millis, seed): (i64, u64)| (millis, std::cmp::Reverse(seed));
        if rank(longest) > rank(sum.longest) {
            sum.longest = longest;
        }
        sum
    }

    fn violation(&mut self, name: String, sum: ViolationSum) {
        let Some(known) = self.violations.get_mut(&name) else {
            self.violations.insert(name, sum);
            return;
        };
        known.nights += sum.nights;
        if sum.seed < known.seed {
            (known.seed, known.what) = (sum.seed, sum.what);
        }
    }

    fn fault(&mut self, key: (String, String), count: u64) {
        let is_known = self.faults.contains_key(&key);
        let key = if is_known || self.faults.len() < FAULT_KINDS { key } else { (key.0, "otherwise".to_owned()) };
        *self.faults.entry(key).or_default() += count;
    }
}

impl StateSum {
    fn add(&mut self, visit: &Visit) {
        self.entered += 1;
        self.retried += u64::from(visit.attempts.saturating_sub(1));
        match &visit.end {
            End::Left => self.took.add(visit.ended.0 - visit.entered.0),
            End::Caught { .. } => self.caught += 1,
            End::Failed { .. } => self.failed += 1,
            End::Stopped | End::Open => self.stopped += 1,
        }
        for error in visit.tries.iter().filter_map(|one| one.error.as_ref()) {
            if let Some(count) = self.errors.get_mut(error) {
                *count += 1;
            } else {
                self.errors.insert(error.clone(), 1);
            }
        }
    }

    fn merge(&mut self, other: &Self) {
        self.entered += other.entered;
        self.retried += other.retried;
        self.caught += other.caught;
        self.failed += other.failed;
        self.stopped += other.stopped;
        self.took.merge(&other.took);
        for (error, count) in &other.errors {
            *self.errors.entry(error.clone()).or_default() += count;
        }
    }

    /// How many of its tries failed.
    pub fn failed_tries(&self) -> u64 {
        self.errors.values().sum()
    }
}

/// A night that a Fail state ended was meant to end so.
pub fn tone(night: &Night) -> Tone {
    match &night.outcome {
        Outcome::Succeeded { .. } => Tone::Well,
        Outcome::Failed { error, .. } => {
            let is_meant = night.timeline.iter().any(|visit| visit.kind == "Fail" && visit.depth == 0);
            // A Fail state whose own error or cause can't be worked out fails itself.
            let is_said = !["States.Runtime", "States.QueryEvaluationError"].contains(&error.as_str());
            if is_meant && is_said { Tone::Deliberate } else { Tone::Badly }
        }
        Outcome::TimedOut | Outcome::Aborted | Outcome::Stuck => Tone::Badly,
    }
}
