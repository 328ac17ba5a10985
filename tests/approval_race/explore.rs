//! Every history of a scenario. Two that came to the same world are followed once.

use std::collections::HashMap;

use super::Scenario;
use super::actors::{House, Ways};
use super::judge::{Disagreement, judge_the_end, judge_the_pause, judge_the_told};
use super::world::{Choice, World};

/// What became of all histories.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) histories: u128,
    /// Record, execution and what people were told don't agree.
    pub(super) disagree: u128,
    pub(super) worlds: usize,
}

/// Follows every history, and prints how many there are.
///
/// Where ours disagrees, that history is shown, and the test has failed. Of the weaker protocols it is counted.
pub(super) fn explore(scenario: &Scenario) -> Tally {
    let house = House {
        people: scenario.people.clone(),
        deputies: scenario.deputies.clone(),
        required: scenario.required,
        protocol: scenario.protocol,
        timeout_seconds: scenario.timeout_seconds,
        extension_seconds: scenario.extension_seconds,
    };
    let ways = Ways::new(house, scenario.folded);
    let mut explorer = Explorer { scenario, known: HashMap::new(), judged: HashMap::new(), history: Vec::new() };
    let mut tally = explorer.follow(World::begin(scenario, &ways));
    tally.worlds = explorer.known.len();
    tally
}

struct Explorer<'a> {
    scenario: &'a Scenario,
    known: HashMap<u64, Tally>,
    judged: HashMap<u64, bool>,
    history: Vec<Choice>,
}

impl Explorer<'_> {
    fn follow(&mut self, world: World<'_>) -> Tally {
        let here = world.fingerprint();
        if let Some(tally) = self.known.get(&here) {
            return *tally;
        }
        let mut choices = world.choices();
        let mut tally = Tally::default();
        if choices.is_empty() {
            tally.histories = 1;
            tally.disagree = u128::from(self.disagrees(judge_the_told(&world)) || self.disagrees_at_the_end(&world));
        } else if world.is_quiet() {
            self.disagrees(judge_the_pause(&world));
        }
        let last = choices.pop();
        for choice in choices {
            self.go(world.fork(), choice, &mut tally);
        }
        if let Some(last) = last {
            self.go(world, last, &mut tally);
        }
        self.known.insert(here, tally);
        tally
    }

    fn go(&mut self, mut world: World<'_>, choice: Choice, tally: &mut Tally) {
        self.history.push(choice);
        world.take(choice);
        let after = self.follow(world);
        tally.histories += after.histories;
        tally.disagree += after.disagree;
        self.history.pop();
    }

    /// What is left behind is often the same, whatever people were told.
    fn disagrees_at_the_end(&mut self, world: &World<'_>) -> bool {
        let left_behind = world.outside();
        if let Some(disagrees) = self.judged.get(&left_behind) {
            return *disagrees;
        }
        let disagrees = self.disagrees(judge_the_end(world, self.scenario));
        self.judged.insert(left_behind, disagrees);
        disagrees
    }

    fn disagrees(&self, judgement: Result<(), Disagreement>) -> bool {
        use super::weaker::Protocol;
        match judgement {
            Ok(()) => false,
            Err(disagreement) if self.scenario.protocol == Protocol::Ours => panic!("{disagreement:?} after {:?}", self.history),
            // What the weaker ones leave undone is known, and not what they are here for.
            Err(disagreement) => !matches!(disagreement, Disagreement::Left(_)),
        }
    }
}
