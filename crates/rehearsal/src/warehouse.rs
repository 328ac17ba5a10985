//! Our own night: the deployed definition, and everything around it.

use std::collections::HashMap;

use nightly_asl::Machine;
use nightly_asl::check::Kind;
use nightly_domain::{Flag, ObjectUri};
use serde_json::Value;

use crate::Night;
use crate::chance::Chance;
use crate::deployment::{self, SITE};
use crate::faults::{Fault, Faults, Site};
use crate::planted::{Bug, Handler};
use crate::play::Play;
use crate::story::{Again, Quality, Rates, Story, Temper, When, WithOthers};
use crate::world::Objects;

/// What nights of the warehouse are played on.
pub(crate) struct Warehouse {
    pub(crate) machine: Machine,
    /// The errors that each state's Retry and Catch name, and its timeout in milliseconds.
    declared: HashMap<String, (Vec<String>, Option<i64>)>,
    bug: Option<Bug>,
    /// What earlier nights have left.
    pub(crate) past: Objects,
}

/// A night that is told in every detail but for its faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tale {
    /// One of two approves, and it is published.
    Approved,
    /// One of two says no.
    Rejected,
    /// Nobody answers.
    Unanswered,
    /// Both have to approve, and both do, one after the other, one by a deputy.
    TwoApprove,
    /// A quality rule does not pass.
    RuleFails,
    /// Slack is down for so long that the notice is deferred.
    SlackIsDown,
    /// One approves while nobody reaches Step Functions: the definition's clock runs out, and it follows the record.
    NobodyReachesTheExecution,
    /// The start is delivered twice, at the same instant.
    StartedTwice,
    /// Somebody starts the date while it is built.
    StartedBesideIt,
    /// It fails, and another start takes the date over.
    TakenOver,
    /// The same, and whoever looked after the first has it go on.
    RedrivenAfterATakeover,
    /// It is published, and the date is started again.
    StartedWhenPublished,
    /// The same, by force.
    ForcedWhenPublished,
    /// Nobody is asked.
    WithoutApproval,
    /// It is only built.
    OnlyBuilt,
    /// It was approved with other dates.
    ApprovedWithOthers,
}

impl Tale {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::Approved,
        Self::Rejected,
        Self::Unanswered,
        Self::TwoApprove,
        Self::RuleFails,
        Self::SlackIsDown,
        Self::NobodyReachesTheExecution,
        Self::StartedTwice,
        Self::StartedBesideIt,
        Self::TakenOver,
        Self::RedrivenAfterATakeover,
        Self::StartedWhenPublished,
        Self::ForcedWhenPublished,
        Self::WithoutApproval,
        Self::OnlyBuilt,
        Self::ApprovedWithOthers,
    ];

    fn story(self) -> Story {
        let mut story = Story::plain();
        let again = |when, force| vec![Again { when, force }];
        match self {
            Self::Approved => {}
            Self::Rejected => story.people[0].temper = Temper::Rejecting,
            Self::Unanswered => story.people[0].temper = Temper::Absent,
            Self::TwoApprove => {
                story.required = 2;
                story.people[1].temper = Temper::HandingOn;
            }
            Self::RuleFails => story.quality = Quality::OneRule("FAIL"),
            Self::SlackIsDown => story.slack_down_for = 12,
            Self::NobodyReachesTheExecution => story.deaf_millis = Some(2_400_000),
            Self::StartedTwice => story.again = again(When::After(0), false),
            Self::StartedBesideIt => story.again = again(When::After(600_000), true),
            Self::TakenOver | Self::RedrivenAfterATakeover => {
                // As often as one execution asks: three invocations, three times each.
                story.rates = Rates::DownFor(9);
                story.again = again(When::AfterItsEnd(50_000), false);
                story.redrives = u8::from(self == Self::RedrivenAfterATakeover);
            }
            Self::StartedWhenPublished => story.again = again(When::AfterItsEnd(60_000), false),
            Self::ForcedWhenPublished => story.again = again(When::AfterItsEnd(60_000), true),
            Self::WithoutApproval => story.left_out = vec![Flag::SkipApproval],
            Self::OnlyBuilt => story.left_out = vec![Flag::SkipPublish],
            Self::ApprovedWithOthers => story.with_others = Some(WithOthers::Approved),
        }
        story
    }
}

impl Warehouse {
    pub(crate) fn new(bug: Option<Bug>) -> Self {
        let mut definition = deployment::definition();
        if let Some(bug) = bug {
            bug.plant(&mut definition);
        }
        let machine =
            Machine::load(&definition, Kind::Standard).unwrap_or_else(|findings| panic!("the definition can't be loaded: {findings:#?}"));
        let mut declared = HashMap::new();
        declarations(&definition, &mut declared);
        let mut warehouse = Self { machine, declared, bug, past: Objects::default() };
        warehouse.past = warehouse.earlier_nights();
        warehouse
    }

    /// The night of this seed.
    pub(crate) fn night(&self, seed: u64) -> Night {
        let chance = Chance::new(seed);
        let story = Story::of(&chance);
        let faults = Faults::drawn(chance.of("faults"), story.faults);
        Play::begin(self, seed, story, faults).play().0
    }

    /// A told night with one fault.
    pub(crate) fn told(&self, tale: Tale, site: &Site, fault: &Fault) -> Night {
        Play::begin(self, TOLD, tale.story(), Faults::planned(site.clone(), fault.clone())).play().0
    }

    /// Every fault that a told night can have, one at each place.
    pub(crate) fn single_faults(&self, tale: Tale) -> Vec<(Site, Fault)> {
        let (_, faults) = Play::begin(self, TOLD, tale.story(), Faults::none().noting()).play();
        faults.passed().into_iter().flat_map(|(site, possible)| possible.into_iter().map(move |fault| (site.clone(), fault))).collect()
    }

    /// A told night without any fault.
    pub(crate) fn plain(&self, tale: Tale, seed: u64) -> Night {
        Play::begin(self, seed, tale.story(), Faults::none()).play().0
    }

    /// The bad ends that the rule hands on.
    pub(crate) fn told_endings(&self) -> &'static [&'static str] {
        match self.bug {
            Some(Bug::RuleForgetsStops) => &["FAILED", "TIMED_OUT"],
            _ => &deployment::TOLD_ENDINGS,
        }
    }

    /// Whether what is begun to be told counts as told.
    pub(crate) fn takes_a_beginning_for_an_end(&self) -> bool {
        self.bug == Some(Bug::NoticeIsNotedBeforeItIsTold)
    }

    /// The errors that this state names.
    pub(crate) fn declared(&self, state: &str) -> &[String] {
        self.declared.get(state).map_or(&[], |(errors, _)| errors)
    }

    /// How long its task may take, where the definition says so plainly.
    pub(crate) fn timeout_millis(&self, state: &str) -> Option<i64> {
        self.declared.get(state)?.1
    }

    pub(crate) fn planted_handler(&self) -> Option<Handler> {
        self.bug.and_then(Bug::handler)
    }

    pub(crate) fn checks_digest(&self) -> bool {
        self.bug != Some(Bug::PublishesWhateverIsStaged)
    }

    pub(crate) fn checks_claim(&self) -> bool {
        self.bug != Some(Bug::PublishesWhoeverOwnsTheNight)
    }

    pub(crate) fn stops_jobs(&self) -> bool {
        self.bug != Some(Bug::MayNotStopJobs)
    }

    /// The records of three nights before this one, as the notifier leaves them: a night is played, and its record is moved back in time.
    fn earlier_nights(&self) -> Objects {
        let mut play = Play::begin(self, TOLD, Tale::Approved.story(), Faults::none());
        play.run_through();
        let record = play.world.objects.read(&ObjectUri::new(SITE, format!("nights/{}.json", crate::play::RUN_DATE)));
        let mut past = Objects::default();
        let Some(record) = record else { return past };
        let record: Value = serde_json::from_slice(&record).expect("a record is JSON");
        for day in ["2026-11-17", "2026-11-18", "2026-11-19"] {
            let mut earlier = record.clone();
            earlier["run_date"] = day.into();
            earlier["summary"]["run_date"] = day.into();
            past.put(&ObjectUri::new(SITE, format!("nights/{day}.json")), earlier.to_string().into_bytes());
        }
        past
    }
}

/// The seed of told nights.
const TOLD: u64 = 0;

/// What each state names, in whichever branch it is.
fn declarations(flow: &Value, declared: &mut HashMap<String, (Vec<String>, Option<i64>)>) {
    let Some(states) = flow["States"].as_object() else { return };
    for (name, state) in states {
        for branch in state["Branches"].as_array().into_iter().flatten() {
            declarations(branch, declared);
        }
        let rules = ["Retry", "Catch"].into_iter().flat_map(|rules| state[rules].as_array().into_iter().flatten());
        let names = rules.flat_map(|rule| rule["ErrorEquals"].as_array().into_iter().flatten()).filter_map(Value::as_str);
        let mut errors: Vec<_> = names.filter(|name| !name.starts_with("States.")).map(str::to_owned).collect();
        errors.sort();
        errors.dedup();
        declared.insert(name.clone(), (errors, state["TimeoutSeconds"].as_i64().map(|seconds| seconds * 1000)));
    }
}
