//! What must be true when nobody can do anything any more: the record, what people were told, what was noted, and how the execution ended.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use nightly_domain::approval::{Approval, ApprovalStatus, Bearer, Handover, Ruling};
use nightly_domain::audit;
use nightly_domain::history::ExecutionEnd;
use nightly_domain::link::Link;
use nightly_domain::memory::Wait;
use nightly_domain::people::Address;
use serde_json::Value;

use super::actors::{Errand, id, token};
use super::world::{Ending, World, link, was_not_asked};
use super::{EXECUTION, Letter, Scenario, begins_at};

/// What our page says to whom the execution has listened.
pub(super) const APPROVED: &str = "You approved this request";
pub(super) const REJECTED: &str = "You rejected this request";

/// Something does not agree with something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Disagreement {
    /// The record says this, and the execution did that.
    Record(String),
    /// Somebody was told what is not so.
    Told(String),
    /// Something was left undone, and nobody will do it.
    Left(String),
}

/// Judges what people were told on their way through a history that has ended.
pub(super) fn judge_the_told(world: &World<'_>) -> Result<(), Disagreement> {
    let ending = world.ending.expect("the definition always ends");
    match world.told.iter().flatten().find(|told| !endings(told).contains(&ending)) {
        Some(told) => Err(Disagreement::Told(format!("somebody was told «{told}», and it ended {ending:?}"))),
        None => Ok(()),
    }
}

/// Judges what a history has left behind, once the watch has gone its last rounds.
pub(super) fn judge_the_end(world: &World<'_>, scenario: &Scenario) -> Result<(), Disagreement> {
    let ending = world.ending.expect("the definition always ends");
    // The watch may have gone rounds before the execution was over, or not.
    let mut at_once = world.fork();
    let mut later = world.fork();
    last_rounds(&mut later, scenario);
    for world in [&mut at_once, &mut later] {
        world.desk.executions.end_with(EXECUTION, ending.execution_end());
        last_rounds(world, scenario);
        judge_the_rest(world, scenario, ending)?;
    }
    Ok(())
}

/// Judges a moment at which nobody is in the middle of anything and the execution waits: one round of the watch must bring it what is
/// recorded, and as long as nothing is recorded somebody must watch.
pub(super) fn judge_the_pause(world: &World<'_>) -> Result<(), Disagreement> {
    let (None, Some(record), Wait::Waiting(_)) = (world.ending, world.record(), world.wait()) else {
        return Ok(());
    };
    // A question whose putting was broken off is put again by the definition, whose attempt then has another token.
    if record.task_token != token(world.attempt) || world.told.iter().flatten().any(|told| was_not_asked(told)) {
        return Ok(());
    }
    let watched = world.watched().iter().any(|watch| watch.generation == record.generation);
    if !watched && record.undelivered().is_some() {
        return Err(Disagreement::Left("the execution waits for a verdict, and nobody watches".to_owned()));
    }
    if record.undelivered().is_some() {
        let mut healed = world.fork();
        let round = healed.run(World::AFTERWARDS, &Errand::Watches(record.generation));
        if !matches!(healed.wait(), Wait::Answered(_)) {
            return Err(Disagreement::Left(format!("{round} of the watch left the execution waiting for a verdict")));
        }
    }
    Ok(())
}

fn last_rounds(world: &mut World<'_>, scenario: &Scenario) {
    world.advance_to(begins_at() + SignedDuration::from_secs(i64::from(scenario.timeout_seconds)) + SignedDuration::from_mins(5));
    for round in 0..3 {
        for watch in world.watched() {
            world.run(World::AFTERWARDS + round, &Errand::Watches(watch.generation));
        }
    }
}

fn judge_the_rest(world: &mut World<'_>, scenario: &Scenario, ending: Ending) -> Result<(), Disagreement> {
    let Some(record) = world.record() else {
        return if matches!(ending, Ending::Expired | Ending::Stopped) {
            Ok(())
        } else {
            Err(Disagreement::Record("there is none".to_owned()))
        };
    };
    record_and_ending(&record, ending)?;
    one_answer(world, &record)?;
    tellings(world, scenario, &record, ending)?;
    if !world.watched().is_empty() {
        return Err(Disagreement::Left("a watch goes on for ever".to_owned()));
    }
    noted(world, &record)
}

/// What is recorded is what the execution did, or says why it didn't.
fn record_and_ending(record: &Approval, ending: Ending) -> Result<(), Disagreement> {
    let disagreement = Err(Disagreement::Record(format!("{:?} is recorded, and it ended {ending:?}", record.status)));
    match (&record.status, ending) {
        (ApprovalStatus::Pending, Ending::Expired | Ending::Stopped) => Err(Disagreement::Left("nothing is recorded".to_owned())),
        (ApprovalStatus::Decided { handover: Handover::Due, verdict }, _) if Ending::from(verdict.decision) == ending => {
            Err(Disagreement::Left("the verdict is still to be delivered".to_owned()))
        }
        // The definition settled, or took the verdict, and may have been stopped on its way to the end.
        (ApprovalStatus::Cancelled { end: ExecutionEnd::Aborted, .. }, Ending::Stopped)
        | (ApprovalStatus::Expired { .. }, Ending::Expired | Ending::Stopped) => Ok(()),
        (ApprovalStatus::Decided { handover, .. }, Ending::Stopped) if *handover != Handover::Due => Ok(()),
        (ApprovalStatus::Decided { verdict, handover }, _) if Ending::from(verdict.decision) == ending => match handover {
            Handover::Closed { end: Some(end), .. } if *end != ending.execution_end() => disagreement,
            _ => Ok(()),
        },
        _ => disagreement,
    }
}

/// The execution was answered once at most, and by what is recorded; the first answer that people gave stands.
fn one_answer(world: &World<'_>, record: &Approval) -> Result<(), Disagreement> {
    let answers: Vec<_> = [1, 2].into_iter().filter_map(|attempt| world.desk.tasks.outcome(&token(attempt))).collect();
    let answers: Vec<_> = answers.iter().filter_map(|wait| if let Wait::Answered(output) = wait { Some(output) } else { None }).collect();
    let recorded = if let ApprovalStatus::Decided { verdict, .. } = &record.status { Some(verdict) } else { None };
    match (answers.as_slice(), recorded) {
        ([], _) => {}
        ([answer], Some(verdict)) if serde_json::from_str(answer).ok().as_ref() == Some(verdict) => {}
        _ => return Err(Disagreement::Record(format!("it was answered {answers:?}, and {recorded:?} is recorded"))),
    }
    let human = recorded.filter(|verdict| verdict.decision != Ruling::Expired);
    if world.verdict.as_ref() == human {
        Ok(())
    } else {
        Err(Disagreement::Record(format!("{:?} was recorded first, and then {human:?}", world.verdict)))
    }
}

/// Mails and posts hold nobody else's link, and whoever looks now is told how it ended.
fn tellings(world: &mut World<'_>, scenario: &Scenario, record: &Approval, ending: Ending) -> Result<(), Disagreement> {
    for (to, address) in &world.letters {
        let secret = Link::from_path(address).expect("a link that was mailed").secret.hash();
        let holder = match record.bearer(&secret) {
            Bearer::Approver(place) => Some(&record.approvers[place].address),
            Bearer::Superseded(place) => Some(&record.superseded[place].address),
            Bearer::Viewer | Bearer::Stranger => None,
        };
        if holder.map(Address::as_str) != Some(to) {
            return Err(Disagreement::Told("a mail holds a link that is not its reader's".to_owned()));
        }
    }
    for post in &world.posts {
        let answers = link(post).and_then(Link::from_path).map(|link| record.bearer(&link.secret.hash()));
        if matches!(answers, Some(Bearer::Approver(_) | Bearer::Superseded(_))) {
            return Err(Disagreement::Told("the channel can answer".to_owned()));
        }
    }
    let people: BTreeSet<_> = record.approvers.iter().map(|approver| approver.address.as_str().to_owned()).collect();
    for person in people {
        if let Some(address) = world.address(&person, Letter::Last) {
            let told = world.run(World::AFTERWARDS + 3, &Errand::Opens(address));
            let newest = !told.contains("newer question");
            let settled = newest && endings(&told).len() < Ending::ALL.len();
            // Ours says how it ended; the weaker ones are judged by what they told before.
            if scenario.protocol == super::weaker::Protocol::Ours && !settled || !endings(&told).contains(&ending) {
                return Err(Disagreement::Told(format!("whoever looks is told «{told}», and it ended {ending:?}")));
            }
        }
    }
    Ok(())
}

/// Nothing that the record tells is missing in the audit, and the channel knows the end of what it was told of.
fn noted(world: &World<'_>, record: &Approval) -> Result<(), Disagreement> {
    let chain = world.desk.audit.chain(&id());
    if let Err(broken) = audit::verify(&chain) {
        return Err(Disagreement::Left(broken.to_string()));
    }
    let missing = audit::missing(record, &chain);
    if !missing.is_empty() {
        return Err(Disagreement::Left(format!("the audit lacks {missing:?}")));
    }
    if let Some(due) = record.announcement_due() {
        return Err(Disagreement::Left(format!("the channel is still to be told {due:?}")));
    }
    let ended = match record.status.name() {
        "APPROVED" => "Approved: ",
        "REJECTED" => "Rejected: ",
        "EXPIRED" => "Expired: ",
        _ => "Cancelled: ",
    };
    let says = |post: &str| {
        serde_json::from_str::<Value>(post).is_ok_and(|post| post["text"].as_str().is_some_and(|text| text.starts_with(ended)))
    };
    match world.posts.last() {
        Some(last) if !says(last) => Err(Disagreement::Told(format!("the channel was last told {last}, and {ended}is recorded"))),
        _ => Ok(()),
    }
}

/// The endings that a telling agrees with. A page that this does not know fails the test: whoever writes a new one says here what it
/// promises.
pub(super) fn endings(told: &str) -> &'static [Ending] {
    use Ending::{Expired, Published, Rejected, Stopped};
    let says = |words: &str| told.contains(words);
    if says("The time to answer ended") {
        if says("settled within minutes") {
            Ending::ALL
        } else if says("had been stopped by then") {
            &[Stopped]
        } else {
            &[Expired, Stopped]
        }
    } else if says("approved this request") {
        // The execution had it. Whoever stopped it after that had read the same.
        &[Published, Stopped]
    } else if says("rejected this request") {
        &[Rejected, Stopped]
    } else if says("Your approval of this request is recorded") {
        Ending::ALL
    } else if says("was stopped") || says("is recorded, but the execution had been stopped") {
        &[Stopped]
    } else if says("is recorded, but the execution") {
        &[Published, Rejected]
    } else if says("is recorded") {
        // Recorded for the execution, which is to have it or goes by it; unless somebody stops it.
        &[Published, Rejected, Stopped]
    } else if [
        "Go on?",
        "asked",
        "round",
        "handed this on",
        "newer question",
        "answered already",
        "try again",
        "can’t tell whether",
        "can’t reach",
        "leads nowhere",
    ]
    .iter()
    .any(|words| says(words))
    {
        Ending::ALL
    } else {
        panic!("nobody knows what «{told}» promises")
    }
}

impl Ending {
    pub(super) const ALL: &'static [Self] = &[Self::Published, Self::Rejected, Self::Expired, Self::Stopped];
}
