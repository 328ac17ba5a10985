//! What must be true of every night.
//!
//! Each invariant is one function, named as it is told, with the sentence that it holds. Some are looked at while the night goes on, since
//! they are about a moment; the others when nothing is due any more.

use jiff::SignedDuration;
use nightly_asl::{Detail, Event, Instant, Status};
use nightly_domain::ObjectUri;
use nightly_domain::approval::{Approval, ApprovalStatus, Bearer, Decision, Handover, Ruling, Verdict};
use nightly_domain::link::Link;
use nightly_domain::nights::Medium;
use nightly_domain::ports::Watch;
use nightly_domain::{Flag, Outcome as Told, audit};
use serde_json::Value;

use crate::deployment::SITE;
use crate::people::Page;
use crate::play::Play;
use crate::story::{Quality, WithOthers};
use crate::timeline;
use crate::world::{Fate, Handed, Letter, Stood, timestamp};

/// Judges a night in which nothing is due any more.
pub(crate) fn judge(play: &mut Play<'_>) {
    let invariants: [Invariant; 13] = [
        published_with_its_approval,
        what_is_left_out_stays_out,
        published_once_at_a_time,
        one_night_once,
        every_night_ends,
        somebody_is_told,
        no_decision_is_lost,
        a_question_is_open_as_long_as_was_promised,
        no_job_is_left_running,
        a_failed_gate_is_final,
        a_redrive_goes_on,
        a_published_night_succeeds,
        the_makespan_is_the_formulas,
    ];
    for invariant in invariants {
        for (name, what) in invariant(play) {
            play.violate(name, what);
        }
    }
}

type Invariant = fn(&Play<'_>) -> Broken;
type Broken = Vec<(&'static str, String)>;

/// What is written to the warehouse is what a recorded approval covers, object by object, and it was approved before it was written.
fn published_with_its_approval(play: &Play<'_>) -> Broken {
    const NAME: &str = "published_with_its_approval";
    let mut broken = Vec::new();
    for publishing in &play.world.publishings {
        let covered = play.story.with_others == Some(WithOthers::Approved) && publishing.run_id == play.runs[0].id;
        let waived = (play.story.left_out.contains(&Flag::SkipApproval) || covered)
            && play.world.audit.chains().iter().flatten().filter_map(audit::Entry::occurrence).any(|noted| {
                noted.at <= timestamp(publishing.began)
                    && matches!(&noted.event, audit::Event::Waived { evidence_digest, .. } if *evidence_digest == publishing.digest)
            });
        let approved = play.world.standings.iter().any(|stood| {
            stood.at <= publishing.began
                && stood.status == "APPROVED"
                && stood.digest == publishing.digest
                && play
                    .world
                    .approvals
                    .stored(&stood.id)
                    .is_some_and(|record| record.execution_arn.ends_with(&format!(":{}", publishing.run_id)))
        });
        if !approved && !waived {
            broken.push((
                NAME,
                format!("{} of {} is written, and nobody has approved what it holds", publishing.run_date, publishing.run_id),
            ));
        }
    }
    broken
}

/// What the input leaves out does not happen: nobody is asked, nothing is published, nobody is told.
fn what_is_left_out_stays_out(play: &Play<'_>) -> Broken {
    const NAME: &str = "what_is_left_out_stays_out";
    let left_out = |flag: Flag| play.story.left_out.contains(&flag);
    let mut broken = Vec::new();
    if left_out(Flag::SkipPublish) && !play.world.publishings.is_empty() {
        broken.push((NAME, format!("{} is published, and was only to be built", crate::play::RUN_DATE)));
    }
    if (left_out(Flag::SkipApproval) || left_out(Flag::SkipPublish)) && !play.world.letters.is_empty() {
        broken.push((NAME, format!("«{}» was mailed, and nobody was to be asked", play.world.letters[0].subject)));
    }
    if play.runs.len() == 1 && play.story.with_others.is_some() && !play.world.letters.is_empty() {
        broken.push((NAME, format!("«{}» was mailed, and the date was asked about with others", play.world.letters[0].subject)));
    }
    if left_out(Flag::SkipNotify)
        && let Some((_, medium, text)) = play.world.heard.iter().find(|(_, _, text)| play.runs.iter().any(|run| is_about(run, text)))
    {
        broken.push((NAME, format!("{} has «{text}», and was not to hear of it", medium.name())));
    }
    broken
}

/// No date is written by two at the same time.
fn published_once_at_a_time(play: &Play<'_>) -> Broken {
    let all = &play.world.publishings;
    let overlap = |(place, one): (usize, &crate::world::Publishing)| {
        all[place + 1..].iter().any(|other| {
            let until = |publishing: &crate::world::Publishing| publishing.ended.unwrap_or(Instant(i64::MAX));
            one.run_date == other.run_date && one.began < until(other) && other.began < until(one)
        })
    };
    let broken = all.iter().enumerate().filter(|publishing| overlap(*publishing));
    broken.map(|(_, publishing)| ("published_once_at_a_time", format!("{} is written by two at once", publishing.run_date))).collect()
}

const ONCE: &str = "one_night_once";

/// At no moment do two executions build the same date, but where one was redriven that does not own it any more; and who builds nothing,
/// since the date is another's, says whose and why.
fn one_night_once(play: &Play<'_>) -> Broken {
    let mut broken = Vec::new();
    let stays: Vec<Vec<Stay>> = play.runs.iter().map(stays).collect();
    for (one, other) in (0..stays.len()).flat_map(|one| (one + 1..stays.len()).map(move |other| (one, other))) {
        for (a, b) in stays[one].iter().flat_map(|a| stays[other].iter().map(move |b| (a, b))) {
            let both = Instant(a.began.0.max(b.began.0));
            if both >= a.ended || both >= b.ended {
                continue;
            }
            let owner = play.world.claims.iter().rev().find(|claim| claim.at <= both).map(|claim| claim.run);
            let excused = |run: usize, stay: &Stay| owner != Some(run) && stay.redriven;
            if !excused(one, a) && !excused(other, b) {
                broken.push((ONCE, format!("at {both} the executions {one} and {other} build the same date, which is {owner:?}'s")));
            }
        }
    }
    for (number, run) in play.runs.iter().enumerate() {
        let Status::Succeeded(output) = run.execution.status() else { continue };
        let output = output.value();
        let owner = play.runs.iter().position(|other| output["owner"] == *other.arn);
        let why = match output["reason"].as_str() {
            Some("RUNNING") => run.looked.is_some_and(|look| look.ran),
            Some("PUBLISHED") => {
                play.world.publishings.iter().any(|publishing| publishing.ended.is_some_and(|end| run.ends.last() >= Some(&end)))
            }
            _ => false,
        };
        let says_so = output["outcome"] == "SKIPPED" && owner.is_some_and(|owner| owner != number) && why;
        if stays[number].is_empty() && !says_so {
            broken.push((ONCE, format!("execution {number} built nothing and ended {output}")));
        }
    }
    broken
}

/// A time in which an execution built.
struct Stay {
    began: Instant,
    ended: Instant,
    /// It went on from where it had failed.
    redriven: bool,
}

fn stays(run: &crate::play::Run) -> Vec<Stay> {
    let began = run
        .execution
        .history()
        .iter()
        .find(|event| matches!(&event.detail, Detail::StateEntered { name, .. } if &**name == "BuildSources"));
    let Some(began) = began.map(|event| event.at) else { return Vec::new() };
    let times = std::iter::once((began, false)).chain(run.redriven.iter().map(|at| (*at, true))).filter(|(at, _)| *at >= began);
    let end = |from: Instant| run.ends.iter().copied().find(|end| *end >= from).unwrap_or(Instant(i64::MAX));
    times.map(|(began, redriven)| Stay { began, ended: end(began), redriven }).collect()
}

/// Every execution ends, and its end has a name that people can look up.
fn every_night_ends(play: &Play<'_>) -> Broken {
    let mut broken = Vec::new();
    for (number, run) in play.runs.iter().enumerate() {
        let what = match run.execution.status() {
            Status::Running => format!("execution {number} waits for ever"),
            Status::Failed(failure) => match failure.error.as_deref() {
                None | Some("") => format!("execution {number} failed without a name"),
                Some(error @ ("States.Runtime" | "States.QueryEvaluationError" | "States.DataLimitExceeded" | "Rehearsal.UnknownCall")) => {
                    format!("execution {number} failed by its own definition: {error}: {}", failure.cause.as_deref().unwrap_or_default())
                }
                Some(_) => continue,
            },
            _ => continue,
        };
        broken.push(("every_night_ends", what));
    }
    broken
}

/// Whoever is to hear of a published night has heard of it, or the notice waits among the dead letters, or the execution's own output says
/// that it is lost. Whoever is to hear of a bad end has heard of it in the channel and by mail, or its event is a dead letter.
fn somebody_is_told(play: &Play<'_>) -> Broken {
    let mut broken = Vec::new();
    for (number, run) in play.runs.iter().enumerate() {
        let output = match run.execution.status() {
            Status::Succeeded(output) => output.value(),
            Status::Running => continue,
            Status::Failed(_) | Status::TimedOut(_) | Status::Aborted(_) if play.story.left_out.contains(&Flag::SkipNotify) => continue,
            Status::Failed(_) | Status::TimedOut(_) | Status::Aborted(_) => {
                broken.extend(unheard(play, run).map(|medium| {
                    let what = format!("execution {number} ended {:?}, and nobody heard of it by {}", run.ends.last(), medium.name());
                    ("somebody_is_told", what)
                }));
                continue;
            }
        };
        if output["outcome"] == "SKIPPED" {
            continue;
        }
        let told = match output["notice"].as_str() {
            // A later execution of the date, which was forced, has a record of its own in the same place.
            Some("DELIVERED") => recorded(play).is_some_and(|record| record["outcome"] == output["outcome"] || record["run_id"] != run.id),
            Some("DEFERRED") => play.world.messages.iter().any(|message| message.fate != Fate::Waiting),
            Some("LOST") => true,
            _ => false,
        };
        if !told {
            broken.push(("somebody_is_told", format!("execution {number} ended {output}, and nobody was told")));
        }
    }
    broken
}

/// The ways on which nobody has heard how this execution ended last.
fn unheard<'a>(play: &'a Play<'_>, run: &'a crate::play::Run) -> impl Iterator<Item = Medium> + 'a {
    let ended = run.ends.last().copied();
    let given_up = play.world.messages.iter().any(|message| message.fate == Fate::DeadLetter && message.body.contains(&run.arn));
    let heard = move |medium: Medium| {
        given_up || play.world.heard.iter().any(|(at, by, text)| *by == medium && Some(*at) >= ended && is_about(run, text))
    };
    [Medium::Slack, Medium::Mail].into_iter().filter(move |medium| !heard(*medium))
}

/// Whether it tells how this execution ended.
fn is_about(run: &crate::play::Run, text: &str) -> bool {
    text.contains(&run.arn) || text.contains(&format!("execution {}", run.id))
}

/// What the status page's record says of the date.
fn recorded(play: &Play<'_>) -> Option<Value> {
    let body = play.world.objects.read(&ObjectUri::new(SITE, format!("nights/{}.json", crate::play::RUN_DATE)))?;
    serde_json::from_slice(&body).ok()
}

/// What is recorded is what the execution did, or it is recorded why it did not; only what somebody has sent is recorded as their answer; and
/// nothing that anybody was told of stays open when the execution has ended.
fn no_decision_is_lost(play: &Play<'_>) -> Broken {
    const NAME: &str = "no_decision_is_lost";
    let mut broken = Vec::new();
    let mut ids: Vec<_> = play.world.standings.iter().map(|stood| &stood.id).collect();
    ids.sort();
    ids.dedup();
    for record in ids.into_iter().filter_map(|id| play.world.approvals.stored(id)) {
        let Some(run) = play.runs.iter().find(|run| run.arn == record.execution_arn) else { continue };
        for approver in &record.approvers {
            let Some(answer) = &approver.answer else { continue };
            let wanted = match answer.decision {
                Decision::Approve { .. } => "decision=approve",
                Decision::Reject { .. } => "decision=reject",
            };
            let pressed = |press: &crate::world::Press| {
                press.by == approver.address.as_str()
                    && press.form.starts_with(wanted)
                    && timestamp(press.at) < answer.at + SignedDuration::from_secs(1)
            };
            if !play.world.presses.iter().any(pressed) {
                broken.push((NAME, format!("{} never pressed what is recorded as their answer", approver.address.as_str())));
            }
        }
        // It was stored, and asking broke off before anybody was mailed: a retry or a redrive puts the question again.
        let asked = Watch { approval_id: record.id.clone(), generation: record.generation };
        let watched = play.world.watches.iter().any(|schedule| schedule.watch == asked);
        let nobody_knows = record.status == ApprovalStatus::Pending && !watched;
        if let Some(what) = record_and_execution(&record, run).filter(|_| !nobody_knows) {
            broken.push((NAME, what));
        }
        if let Err(error) = audit::verify(&play.world.audit.chain(&record.id)) {
            broken.push((NAME, format!("the audit is broken: {error}")));
        }
    }
    broken
}

/// What does not agree between a record and its execution.
fn record_and_execution(record: &Approval, run: &crate::play::Run) -> Option<String> {
    let went_by = decision_taken(run.execution.history());
    let end = match run.execution.status() {
        Status::Running => return None,
        Status::Succeeded(_) => "SUCCEEDED".to_owned(),
        Status::Failed(failure) => failure.error.clone().unwrap_or_default(),
        Status::TimedOut(_) => "TIMED_OUT".to_owned(),
        Status::Aborted(_) => "ABORTED".to_owned(),
    };
    let status = record.status.name();
    match &record.status {
        ApprovalStatus::Pending => Some(format!("the question is still open, and the execution ended {end}")),
        ApprovalStatus::Decided { handover: Handover::Due, .. } => {
            Some(format!("{status} is recorded and never handed over; the execution ended {end}"))
        }
        ApprovalStatus::Decided { verdict, handover } => match (&went_by, handover) {
            (Some(taken), _) if taken == verdict => None,
            (Some(taken), _) => Some(format!("{status} is recorded, and the execution went by {:?}", taken.decision)),
            // It was stopped, or failed, before it could take the verdict; and the record says so.
            (None, Handover::Closed { end: Some(_), .. }) => None,
            // An execution that runs goes by the record; this one was stopped on its way to it.
            (None, Handover::Closed { end: None, .. } | Handover::Delivered { .. })
                if matches!(run.execution.status(), Status::Aborted(_) | Status::TimedOut(_)) || failed_by_a_fault(run) =>
            {
                None
            }
            (None, _) if verdict.decision == Ruling::Expired && end == "ApprovalExpired" => None,
            (None, _) => Some(format!("{status} is recorded as {handover:?}, and the execution took no verdict and ended {end}")),
        },
        ApprovalStatus::Expired { .. } => {
            went_by.map(|verdict| format!("EXPIRED is recorded, and the execution went by {:?}", verdict.decision))
        }
        ApprovalStatus::Cancelled { .. } => {
            went_by.map(|verdict| format!("CANCELLED is recorded, and the execution went by {:?}", verdict.decision))
        }
    }
}

/// It ended in a task that failed, not in one of its own endings.
fn failed_by_a_fault(run: &crate::play::Run) -> bool {
    let last = run.execution.history().iter().rev().find_map(|event| match &event.detail {
        Detail::StateEntered { kind, .. } => Some(*kind),
        _ => None,
    });
    last == Some("Task")
}

/// The verdict that the execution took last: from the token, or from the record.
fn decision_taken(events: &[Event]) -> Option<Verdict> {
    events.iter().rev().find_map(|event| match &event.detail {
        Detail::StateExited { name, assigned, .. } if matches!(&**name, "ManualApproval" | "ReadVerdict") => {
            let (_, verdict) = assigned.iter().find(|(name, _)| &**name == "verdict")?;
            serde_json::from_value(verdict.value().clone()).ok()
        }
        _ => None,
    })
}

/// Nobody who could still answer finds the question closed before the deadline that they were told; unless somebody decided or stopped it,
/// or the watch itself was kept from its rounds.
fn a_question_is_open_as_long_as_was_promised(play: &Play<'_>) -> Broken {
    let watch_was_kept =
        play.injected.iter().any(|fault| fault.call.contains("approval-watch") || fault.call.starts_with("ManualApproval"));
    if watch_was_kept || play.story.deaf_millis.is_some() {
        return Vec::new();
    }
    let mut broken = Vec::new();
    for stood in play.world.standings.iter().filter(|stood| stood.status == "EXPIRED") {
        let promised = play.world.standings.iter().rev().find(|before| {
            before.id == stood.id && before.generation == stood.generation && before.at <= stood.at && before.status == "PENDING"
        });
        // A question that is put again by a redrive has a deadline of its own.
        if let Some(promised) = promised
            && timestamp(stood.at) + SignedDuration::from_secs(1) < promised.expires_at
        {
            let what = format!("the question closed at {}, and {} was promised", stood.at, promised.expires_at);
            broken.push(("a_question_is_open_as_long_as_was_promised", what));
        }
    }
    broken
}

/// When an execution has ended, every job run that it knows of is over within two minutes.
fn no_job_is_left_running(play: &Play<'_>) -> Broken {
    const PATIENCE_MILLIS: i64 = 120_000;
    let left = (0..play.jobs.len()).filter(|number| {
        let job = &play.jobs[*number];
        let end = play.runs[job.run].ends.iter().find(|end| **end >= job.began);
        job.known && end.is_some_and(|end| play.over(*number).0 > end.0 + PATIENCE_MILLIS)
    });
    let left = left.map(|number| ("no_job_is_left_running", format!("{} ran on after its execution had ended", play.jobs[number].job)));
    left.collect()
}

/// A rule that did not pass ends the night: nobody is asked, nothing is published, and no other run judges the same build.
fn a_failed_gate_is_final(play: &Play<'_>) -> Broken {
    const NAME: &str = "a_failed_gate_is_final";
    if !matches!(play.story.quality, Quality::OneRule(_)) {
        return Vec::new();
    }
    let mut broken = Vec::new();
    for (number, run) in play.runs.iter().enumerate() {
        let read = |first: &crate::play::QualityRun| first.run == number && first.read.is_some();
        let judged = play.quality_runs.iter().filter(|run| read(run)).count();
        if judged > 1 && run.redriven.is_empty() {
            broken.push((NAME, format!("execution {number} had its build judged {judged} times")));
        }
    }
    if let Some(letter) = play.world.letters.first() {
        broken.push((NAME, format!("a rule did not pass, and «{}» was mailed", letter.subject)));
    }
    broken
}

/// A job or a function that failed for good fails the execution where it is, so that a redrive goes on from there.
fn a_redrive_goes_on(play: &Play<'_>) -> Broken {
    let mut broken = Vec::new();
    for run in &play.runs {
        let events = run.execution.history();
        for (place, event) in events.iter().enumerate() {
            let Detail::StateEntered { kind: "Fail", name, .. } = &event.detail else { continue };
            let left = place.checked_sub(1).map(|before| &events[before].detail);
            let failed = place.checked_sub(2).map(|before| &events[before].detail);
            // Whoever owns the night no longer gets further by no redrive.
            if &**name != "NightTakenOver"
                && matches!(left, Some(Detail::StateExited { kind: "Task", .. }))
                && matches!(failed, Some(Detail::TaskFailed { .. } | Detail::TaskTimedOut { .. }))
            {
                broken.push(("a_redrive_goes_on", format!("a failed task was led to {name}: a redrive would fail there again")));
            }
        }
    }
    broken
}

/// When the warehouse holds what was approved, and was counted, the night succeeds: whoever can't be told fails nothing.
fn a_published_night_succeeds(play: &Play<'_>) -> Broken {
    let mut broken = Vec::new();
    for (number, run) in play.runs.iter().enumerate() {
        let Status::Failed(failure) = run.execution.status() else { continue };
        let counted = run
            .execution
            .history()
            .iter()
            .any(|event| matches!(&event.detail, Detail::StateExited { name, .. } if &**name == "CountAgrees"));
        let agreed = failure.error.as_deref() != Some("PublishedCountMismatch");
        let lost = play.owner() != Some(number) || play.injected.iter().any(|fault| fault.call == "RecordPublished");
        let taken_over = failure.error.as_deref() == Some("NightTakenOver") && lost;
        if counted && agreed && !taken_over {
            broken.push(("a_published_night_succeeds", format!("execution {number} has published, and failed with {:?}", failure.error)));
        }
    }
    broken
}

/// Without faults, the build takes as long as its graph demands: max(O + t5, max(O, I) + t6), where O and I are the times of the two
/// branches, t5 that of the currency fetch and t6 that of the join; and nothing else waits for anything.
fn the_makespan_is_the_formulas(play: &Play<'_>) -> Broken {
    let mut broken = Vec::new();
    if !play.injected.is_empty() {
        return broken;
    }
    for run in &play.runs {
        let visits = timeline::read(run.execution.history()).visits;
        let took = |state: &str| {
            let mut of_it = visits.iter().filter(|visit| visit.state == state);
            let (visit, None) = (of_it.next()?, of_it.next()) else { return None };
            (visit.attempts == 1).then_some(visit.left?.0 - visit.entered.0)
        };
        let all = ["ExtractOrders", "ExtractInventory", "TransformOrders", "TransformInventory", "EnrichCurrency", "JoinFactDim"].map(took);
        let [Some(t1), Some(t2), Some(t3), Some(t4), Some(t5), Some(t6)] = all else { continue };
        let began = visits.iter().find(|visit| visit.state == "ExtractOrders").map(|visit| visit.entered);
        let applied = visits.iter().find(|visit| visit.state == "ApplyFx").map(|visit| visit.entered);
        let (Some(began), Some(applied)) = (began, applied) else { continue };
        let (orders, inventory) = (t1 + t3, t2 + t4);
        let best = (orders + t5).max(orders.max(inventory) + t6);
        let took = applied.0 - began.0;
        // The barrier costs nothing as long as the fetch is no longer than the join, which is the definition's own promise.
        if took != best || t5 > t6 {
            broken.push((
                "the_makespan_is_the_formulas",
                format!("the build took {took} ms, and could have taken {best} ms (the fetch {t5}, the join {t6})"),
            ));
        }
    }
    broken
}

// What is about a moment.

/// A night is taken only from an execution that did not run when it was looked after, and a published one only by force.
pub(crate) fn claimed(play: &mut Play<'_>, run: usize, from: Option<usize>, published: bool) {
    let Some(owner) = from else { return };
    let looked = play.runs[run].looked.filter(|look| look.at == owner);
    let ran = looked.map_or(*play.runs[owner].execution.status() == Status::Running, |look| look.ran);
    if ran {
        play.violate(ONCE, format!("execution {run} takes the night from execution {owner}, which runs"));
    }
    if published && !play.runs[run].forced {
        play.violate(ONCE, format!("execution {run} claims a published night without force"));
    }
}

/// Only who owns the night writes the warehouse.
pub(crate) fn publishing(play: &mut Play<'_>, run: usize) {
    if play.owner() != Some(run) {
        play.violate(ONCE, format!("execution {run} publishes, and the night is {:?}'s", play.owner()));
    }
}

const TOLD: &str = "nobody_is_told_what_is_not_so";

/// A record changes as its rules say: what is decided stays decided, an answer stays as it was given, and a generation only counts up.
pub(crate) fn record_changed(play: &mut Play<'_>, before: Option<&Approval>, after: &Approval) {
    let Some(before) = before else { return };
    let human = |record: &Approval| match &record.status {
        ApprovalStatus::Decided { verdict, .. } if verdict.decision != Ruling::Expired => Some(verdict.clone()),
        _ => None,
    };
    let same_question = before.generation == after.generation;
    if same_question && human(before).is_some() && human(before) != human(after) {
        play.violate("no_decision_is_lost", format!("{:?} was recorded, and then {}", human(before), after.status.name()));
    }
    if after.generation < before.generation {
        play.violate("no_decision_is_lost", "an earlier question took the place of a later one".to_owned());
    }
}

/// A mail holds its reader's own link, to a question that waits, with the deadline as it is.
pub(crate) fn mailed(play: &mut Play<'_>, letter: &Letter, begun: Instant) {
    let Some(link) = Link::from_path(&letter.path) else {
        return play.violate(TOLD, format!("the mail «{}» holds no link that can be read", letter.subject));
    };
    let record = play.world.approvals.stored(&link.approval);
    let holder = record.as_ref().and_then(|record| match record.bearer(&link.secret.hash()) {
        Bearer::Approver(place) => Some(record.approvers[place].address.clone()),
        Bearer::Superseded(place) => Some(record.superseded[place].address.clone()),
        Bearer::Viewer | Bearer::Stranger => None,
    });
    if holder.as_ref() != Some(&letter.to) {
        play.violate(TOLD, format!("the mail «{}» holds a link that is not its reader's", letter.subject));
    }
    let open = play.world.stood(&link.approval, begun, letter.at).any(|stood| stood.status == "PENDING");
    if !open {
        play.violate(TOLD, format!("the mail «{}» asks what is settled", letter.subject));
    }
}

/// A message in the channel says how the record stood while it was written.
pub(crate) fn posted(play: &mut Play<'_>, message: &Value, begun: Instant) {
    let text = message["text"].as_str().unwrap_or_default().to_owned();
    let says = |word: &str| text.starts_with(word);
    if says("Published: ") {
        if !published(play) {
            play.violate(TOLD, format!("the channel was told «{text}», and the warehouse does not hold it"));
        }
        return;
    }
    let wanted = if says("Approval awaited") {
        "PENDING"
    } else if says("Approved: ") {
        "APPROVED"
    } else if says("Rejected: ") {
        "REJECTED"
    } else if says("Expired: ") {
        "EXPIRED"
    } else if says("Cancelled: ") {
        "CANCELLED"
    } else {
        // Who can't be mailed, and the like: not of a question.
        return;
    };
    let now = play.now();
    let ids: Vec<_> = play.world.standings.iter().map(|stood| stood.id.clone()).collect();
    let so = ids.iter().any(|id| play.world.stood(id, begun, now).any(|stood| stood.status == wanted));
    if !so {
        play.violate(TOLD, format!("the channel was told «{text}», and no record said {wanted}"));
    }
}

/// As much of a night's record as is judged.
#[derive(serde::Deserialize)]
struct Recorded {
    run_id: String,
    published_rows: Option<u64>,
    #[serde(flatten)]
    outcome: Told,
}

/// A night's record says PUBLISHED only when the warehouse holds that night.
pub(crate) fn object_written(play: &mut Play<'_>, uri: &ObjectUri, body: &[u8]) {
    if uri.bucket() != SITE || !uri.key().starts_with("nights/") || uri.key().strip_suffix(".json").is_none() {
        return;
    }
    let Ok(recorded) = serde_json::from_slice::<Recorded>(body) else {
        return play.violate(TOLD, format!("{uri} can't be read"));
    };
    let held = play.world.warehouse.get(crate::play::RUN_DATE);
    let so = held.is_some_and(|held| recorded.published_rows == Some(held.rows) && (held.run_id == recorded.run_id || play.runs.len() > 1));
    if recorded.outcome == Told::Published && !so {
        play.violate(TOLD, format!("{uri} says that {} is published, and the warehouse holds {held:?}", recorded.run_id));
    }
}

fn published(play: &Play<'_>) -> bool {
    play.world.warehouse.contains_key(crate::play::RUN_DATE)
}

/// A page says how the record stood, or how the execution had ended, at a moment between the request and its answer.
pub(crate) fn shown(play: &mut Play<'_>, person: usize, path: &str, page: &Page, since: Instant) {
    let title = page.title.clone();
    // A crash, HEAD, or a method that the page has nothing for.
    if title.is_empty() || title == "Internal Server Error" {
        return;
    }
    let Some(link) = Link::from_path(path) else { return };
    let now = play.now();
    let stood: Vec<Stood> = play.world.stood(&link.approval, since, now).cloned().collect();
    let is = |wanted: fn(&Stood) -> bool| stood.iter().any(wanted);
    let run =
        play.world.approvals.stored(&link.approval).and_then(|record| play.runs.iter().position(|run| run.arn == record.execution_arn));
    let ended = run.is_some_and(|run| play.runs[run].ends.iter().any(|end| *end <= now));
    let overdue = stood.iter().any(|stood| timestamp(now) >= stood.expires_at);
    let says = |words: &str| title.contains(words);
    let so = if page.asks {
        is(|stood| stood.status == "PENDING")
    } else if title.starts_with("You approved") || says(" approved the build") {
        is(|stood| stood.status == "APPROVED" && stood.handover == Some(Handed::Delivered))
    } else if title.starts_with("You rejected") || says(" rejected the build") {
        is(|stood| stood.status == "REJECTED" && stood.handover == Some(Handed::Delivered))
    } else if title.starts_with("Your approval of") {
        is(|stood| stood.status == "PENDING" && stood.approvals > 0)
    } else if says(" is recorded, but the ") {
        ended && is(|stood| stood.handover.is_some())
    } else if says(" is recorded") {
        is(|stood| matches!(stood.handover, Some(Handed::Due | Handed::Closed))) || ended && is(|stood| stood.handover.is_some())
    } else if title.starts_with("The time to answer ended") {
        overdue || is(|stood| stood.status == "EXPIRED")
    } else if ["was stopped", "has failed", "has run out of time", "has ended without"].iter().any(|words| says(words)) {
        ended
    } else if says("A newer question has replaced") {
        is(|stood| stood.generation > 1)
    } else if says("We don’t know this link") {
        // Every link comes from a mail.
        stood.is_empty()
    } else {
        const NO_CLAIM: [&str; 5] = ["Please try again", "We can’t tell", "You handed this on", "This answer", "Nothing to do here"];
        assert!(NO_CLAIM.iter().any(|words| says(words)), "nobody knows what «{title}» promises");
        true
    };
    if !so {
        let who = play.story.people[person].address;
        let stood: Vec<_> = stood.iter().map(|stood| (stood.status, stood.handover, stood.generation)).collect();
        play.violate(TOLD, format!("{who} was shown «{title}. {}», and the record stood {stood:?}", page.lead));
    }
}
