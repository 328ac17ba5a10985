//! What the nights before say of a night: how long each step usually takes, and which of its steps were slow.

use std::collections::HashMap;

use nightly_domain::night::{Step, StepState};
use nightly_domain::{Pace, StepKind};

use crate::record::NightRecord;

/// How many nights before it a night is compared with.
pub(crate) const NIGHTS: usize = 30;

#[derive(Debug, Default)]
pub(crate) struct Past {
    paces: HashMap<String, Pace>,
    /// How many nights it is made of.
    pub(crate) nights: usize,
}

impl Past {
    /// What those of the `nights` that were before this one say, newest first.
    pub(crate) fn of(night: &NightRecord, nights: &[NightRecord]) -> Self {
        let before: Vec<_> = nights.iter().filter(|other| other.run_date < night.run_date).take(NIGHTS).collect();
        let succeeded = |name: &str| {
            let steps = before.iter().flat_map(|night| &night.steps).filter(|step| step.node == name && step.state == StepState::Succeeded);
            steps.filter_map(Step::took).collect::<Vec<_>>()
        };
        let paces = night.steps.iter().filter_map(|step| Some((step.node.clone(), Pace::of(succeeded(&step.node))?))).collect();
        Self { paces, nights: before.len() }
    }

    pub(crate) fn pace(&self, step: &Step) -> Option<&Pace> {
        self.paces.get(&step.node)
    }

    /// The names of the steps that took longer than they usually do. Waiting for people is never slow.
    pub(crate) fn slow(&self, night: &NightRecord) -> Vec<String> {
        let is_slow = |step: &&Step| {
            let pace = self.pace(step).filter(|_| step.kind == StepKind::Work && step.state == StepState::Succeeded);
            pace.zip(step.took()).is_some_and(|(pace, took)| pace.is_slow(took))
        };
        night.steps.iter().filter(is_slow).map(|step| step.node.clone()).collect()
    }
}
