//! What a record says to a reader whose answer it doesn't wait for.

use jiff::Timestamp;
use nightly_domain::approval::{Answer, ApprovalStatus, Approver, Decision, Handover, Notice, Ruling, Verdict};
use nightly_domain::evidence::Subject;
use nightly_domain::history::ExecutionEnd;
use nightly_pages::{Icon, written};

use super::ended::{Content, Ended, LogLine, Step};
use super::{Reading, State, excerpt};

/// What is shown of a comment among others. All of it stands in the audit.
const COMMENT_BYTES: usize = 400;

impl Reading {
    pub(super) fn ended(&self, state: State) -> Ended {
        let ended = match (state, &self.approval.status, self.place()) {
            (State::Superseded, _, _) => return self.superseded(),
            (State::Counted, _, Some(place)) => self.counted(place),
            (State::HandedOn, _, Some(place)) => self.handed_on(place),
            (State::Decided, ApprovalStatus::Decided { verdict, handover }, _) => self.decided(verdict, handover),
            (_, ApprovalStatus::Cancelled { end, .. }, _) => self.cancelled(end),
            _ => self.late(),
        };
        match &self.approval.evidence.subject {
            Subject::Build(_) => ended,
            Subject::Request(request) => ended.text_first("What was asked", request.question.clone()),
        }
    }

    /// The reader has approved, others have not yet.
    fn counted(&self, place: usize) -> Ended {
        let approval = &self.approval;
        let at = approval.approvers[place].answer.as_ref().map_or(self.now, |answer| answer.at);
        let (given, missing) = (approval.approvals(), approval.missing());
        let lead = format!(
            "Recorded at {}. {given} of {} needed approvals {}; {missing} more until {}, and {}.",
            self.moment(at),
            given + missing,
            if given == 1 { "has arrived" } else { "have arrived" },
            self.moment(approval.expires_at),
            match approval.evidence.subject {
                Subject::Build(_) => "the build is published",
                Subject::Request(_) => "the execution goes on with a yes",
            }
        );
        let more = written::count(missing.into(), "more approval", "more approvals");
        let next = LogLine { time: String::new(), icon: Icon::Idle, text: format!("{more}, or a rejection") };
        let title = format!("Your approval of {} is recorded", self.matter());
        let mut ended = Ended::new(Icon::Ok, title, lead);
        if given >= approval.required {
            ended = ended.text("Why one more is needed", self.why_other_eyes(place));
        }
        ended = ended.with("What happened, in UTC", self.log(Some(next)));
        if let Ok(until) = approval.more_time() {
            ended = ended.with("If the others need longer", Content::MoreTime { until: self.moment(until) });
        }
        let mind = format!(
            "An answer is written once and can’t be taken back here. Tell the others who are asked: one rejection still {}.",
            self.without_publishing("ends the night", "makes it a no")
        );
        ended.text("Changed your mind?", mind)
    }

    /// What four eyes mean, where they ask for more approvals than are configured.
    pub(super) fn why_other_eyes(&self, place: usize) -> String {
        let approval = &self.approval;
        if approval.started_by.is(&approval.approvers[place].address) {
            format!("You began this {}. Whoever begins one can’t be the only person who approves it.", self.waiter())
        } else {
            format!(
                "Nobody is named as who began this {}, so it may have been anyone who is asked: two people have to agree.",
                self.waiter()
            )
        }
    }

    fn handed_on(&self, place: usize) -> Ended {
        let approval = &self.approval;
        let Some(handed) = &approval.approvers[place].handed_on else {
            return self.late();
        };
        let deputy = handed.to.person();
        let mailed = approval.approvers.iter().find(|approver| approver.address == handed.to).and_then(asked_at);
        let asked = match mailed {
            Some(at) => format!("{deputy} was mailed at {}, with a link of their own.", self.moment(at)),
            None => format!("The mail to {deputy} is not sent yet; that is tried again every few minutes."),
        };
        let lead = format!(
            "Recorded at {}. {asked} Their answer counts in place of yours, if it comes before {}.",
            self.moment(handed.at),
            self.moment(approval.expires_at)
        );
        Ended::new(Icon::Ok, format!("You handed this on to {deputy}"), lead)
            .with("What happened, in UTC", self.log(None))
            .text("Changed your mind?", format!("What is handed on can’t be taken back here. Tell {deputy} what you would have answered."))
    }

    fn decided(&self, verdict: &Verdict, handover: &Handover) -> Ended {
        let mine = self.place().and_then(|place| self.approval.approvers[place].answer.as_ref());
        let mut ended = self.decision(verdict, handover, mine);
        if let Some(reason) = &verdict.reason {
            let by = format!("{}, {}", verdict.by, self.moment(verdict.at));
            ended = ended.with("The reason", Content::Quote { text: reason.clone(), by });
        }
        ended = ended.with("What happened, in UTC", self.log(Some(self.after(verdict, handover))));
        match (verdict.decision, mine, handover) {
            (Ruling::Approved, _, Handover::Closed { end: Some(end), .. }) if !went_by(verdict, end) => {
                let again = self
                    .without_publishing("When the data team runs the night again, you get a new mail with a new link.", self.put_again());
                ended.text("What happens now", again)
            }
            (Ruling::Approved, Some(_), _) => ended.text("Changed your mind?", self.taken_back()),
            (Ruling::Rejected, ..) => ended.text("What happens now", self.put_again()),
            _ => ended,
        }
    }

    fn taken_back(&self) -> &'static str {
        self.without_publishing(
            "An answer is written once and can’t be taken back here. Tell the data team on call; they can publish the day again.",
            "An answer is written once and can’t be taken back here. Tell the people who run this execution.",
        )
    }

    fn put_again(&self) -> &'static str {
        self.without_publishing(
            "The warehouse stays as it is. When the data team runs the night again, you get a new mail with a new link.",
            "If they ask again, you get a new mail with a new link.",
        )
    }

    /// What is said of a build, and what of a request.
    fn without_publishing(&self, build: &'static str, request: &'static str) -> &'static str {
        match self.approval.evidence.subject {
            Subject::Build(_) => build,
            Subject::Request(_) => request,
        }
    }

    /// Title and lead. Before the execution has a verdict, no page says that anything is approved or rejected: only what somebody answered.
    fn decision(&self, verdict: &Verdict, handover: &Handover, mine: Option<&Answer>) -> Ended {
        let at = self.moment(verdict.at);
        let waiter = self.waiter();
        let deciding = match verdict.decision {
            Ruling::Approved => mine.is_some(),
            Ruling::Rejected => matches!(mine, Some(Answer { decision: Decision::Reject { .. }, .. })),
            Ruling::Expired => false,
        };
        let whose = if deciding { "Your answer".to_owned() } else { format!("The answer of {}", named(&verdict.by)) };
        match handover {
            Handover::Due => {
                let answer = if verdict.decision == Ruling::Approved { "The approvals that are needed" } else { "A rejection" };
                let lead = format!(
                    "{answer} came by {at}, and the {waiter} does not have it yet. That is tried again every few minutes; {} before.",
                    self.without_publishing("nothing is published", "the execution does not go on")
                );
                Ended::new(Icon::Wait, format!("{whose} is recorded"), lead)
            }
            Handover::Closed { end: None, .. } => {
                let lead = format!(
                    "It came at {at}. The {waiter} goes by it: when it was handed over, the {waiter} was running and no longer waited, because it \
                     had the answer already or had looked it up itself."
                );
                Ended::new(Icon::Ok, format!("{whose} on {} is recorded", self.matter()), lead)
            }
            Handover::Closed { end: Some(end), .. } if went_by(verdict, end) => {
                let lead = format!("It came at {at}. The {waiter} has gone by it, and had ended when it was looked at again.");
                Ended::new(Icon::Ok, format!("{whose} on {} is recorded", self.matter()), lead)
            }
            Handover::Closed { end: Some(end), .. } => {
                let lead = format!(
                    "It came at {at}. When it was handed over, the {waiter} {}, so nothing waits for this answer any more.{}",
                    had_ended(end),
                    if verdict.decision == Ruling::Rejected { self.without_publishing(" Nothing was published.", "") } else { "" }
                );
                Ended::new(Icon::Note, format!("{whose} is recorded, but the {waiter} {}", had_ended(end)), lead)
            }
            Handover::Delivered { .. } => self.delivered(verdict, mine.filter(|_| deciding)),
        }
    }

    /// The execution has the verdict, which the reader's own answer, if any, has brought about.
    fn delivered(&self, verdict: &Verdict, deciding: Option<&Answer>) -> Ended {
        let at = self.moment(verdict.at);
        let matter = self.matter();
        let unneeded = if self.place().is_some() { ", so your answer isn’t needed any more" } else { "" };
        if verdict.decision == Ruling::Approved {
            let went_on = match verdict.order_lines {
                Some(rows) => format!("The night has it, and went on to publish {}.", written::count(rows, "row", "rows")),
                None => format!("The {} has it, and went on.", self.waiter()),
            };
            let Some(answer) = deciding else {
                let title = format!("{} approved {matter}", named(&verdict.by));
                return Ended::new(Icon::Ok, title, format!("That was at {at}{unneeded}. {went_on}"));
            };
            let one_of = match self.approval.approvals() {
                0 | 1 => String::new(),
                given => format!(", one of {given} approvals"),
            };
            let lead = format!("Recorded at {}{one_of}. {went_on}", self.moment(answer.at));
            Ended::new(Icon::Ok, format!("You approved {matter}"), lead)
        } else {
            let ended = self.without_publishing("The night has it and ends without publishing.", "The execution has it: the answer is no.");
            if deciding.is_some() {
                return Ended::new(Icon::Wait, format!("You rejected {matter}"), format!("Recorded at {at}. {ended}"));
            }
            let title = format!("{} rejected {matter}", verdict.by);
            Ended::new(Icon::Wait, title, format!("That was at {at}. One rejection is enough{unneeded}. {ended}"))
        }
    }

    /// What comes after a decision.
    fn after(&self, verdict: &Verdict, handover: &Handover) -> LogLine {
        let waiter = self.waiter();
        let (at, icon, text) = match handover {
            Handover::Due => (None, Icon::Idle, format!("The {waiter} is told")),
            Handover::Closed { at, end: None } => (Some(at), Icon::Ok, format!("The {waiter} ran, and no longer waited")),
            Handover::Closed { at, end: Some(end) } => (Some(at), Icon::Wait, format!("The {waiter} {}", had_ended(end))),
            Handover::Delivered { at } if verdict.decision == Ruling::Approved => {
                let on = self.without_publishing("The night went on to publish", "The execution went on");
                (Some(at), Icon::Ok, on.to_owned())
            }
            Handover::Delivered { at } => {
                let over = self.without_publishing("The night took it, and ends without publishing", "The execution took it");
                (Some(at), Icon::Wait, over.to_owned())
            }
        };
        LogLine { time: at.map(|at| written::clock(*at)).unwrap_or_default(), icon, text }
    }

    /// The time is over, whether that is settled or not.
    fn late(&self) -> Ended {
        let approval = &self.approval;
        let at = match &approval.status {
            ApprovalStatus::Expired { at } => (*at).min(approval.expires_at),
            _ => approval.expires_at,
        };
        let total = approval.approvals() + approval.missing();
        let matter = self.matter();
        let had = match approval.approvals() {
            0 => format!("Nobody had approved {matter}"),
            1 => format!("1 of {total} needed approvals of {matter} had arrived"),
            given => format!("{given} of {total} needed approvals of {matter} had arrived"),
        };
        let (so, last) = self.settled();
        let over = LogLine {
            time: written::clock(at),
            icon: Icon::Wait,
            text: format!("The time to answer ended with {} of {total} approvals", approval.approvals()),
        };
        let lead = format!("{had}, {so}");
        let means = self.without_publishing(
            "The warehouse stays as it is. The build is kept; nothing is lost, and opening or answering this page changes nothing.",
            "Nobody’s silence is a yes: nothing was approved. Opening or answering this page changes nothing.",
        );
        Ended::new(Icon::Wait, format!("The time to answer ended at {}", self.moment(at)), lead)
            .text("What this means", means)
            .steps(self.after_the_time())
            .with("What happened, in UTC", self.log_with([over].into_iter().chain(last)))
    }

    /// How far it is settled that the time has run out: the end of the lead, and of the log.
    fn settled(&self) -> (String, Option<LogLine>) {
        let waiter = self.waiter();
        let ends = self.without_publishing("so the night ends without publishing.", "and the execution has been told so.");
        let line = |at: &Timestamp, icon, text: String| Some(LogLine { time: written::clock(*at), icon, text });
        match &self.approval.status {
            ApprovalStatus::Decided { handover: Handover::Due, .. } => (
                format!("and the {waiter} does not know it yet. It is told so within minutes."),
                Some(LogLine { time: String::new(), icon: Icon::Idle, text: format!("The {waiter} is told") }),
            ),
            ApprovalStatus::Decided { verdict, handover: Handover::Closed { at, end: Some(end) } } if !went_by(verdict, end) => {
                (format!("and the {waiter} {} by then.", had_ended(end)), line(at, Icon::Wait, format!("The {waiter} {}", had_ended(end))))
            }
            ApprovalStatus::Decided { handover: Handover::Delivered { at } | Handover::Closed { at, .. }, .. } => {
                (ends.to_owned(), line(at, Icon::Wait, format!("The {waiter} was told")))
            }
            ApprovalStatus::Expired { at } => (ends.to_owned(), line(at, Icon::Wait, format!("The {waiter} settled that itself"))),
            _ => ("and an answer that comes now does not count. That is settled within minutes.".to_owned(), None),
        }
    }

    fn after_the_time(&self) -> Vec<Step> {
        let approval = &self.approval;
        match &approval.evidence.subject {
            Subject::Build(build) => vec![
                Step::new("Tell the data team on call that the night ran out of time."),
                Step::with_command(
                    "They start the night again for that date. A night that expired can’t be redriven: it has to be started.",
                    start_command(&approval.execution_arn, &build.summary.run_date.to_string()),
                ),
                Step::new("You get a new mail with a new link."),
            ],
            Subject::Request(_) => vec![
                Step::new(format!("Tell the people who run execution {} that it had no answer in time.", self.execution())),
                Step::new(self.put_again()),
            ],
        }
    }

    /// The execution has ended while the question was open.
    fn cancelled(&self, end: &ExecutionEnd) -> Ended {
        let waiter = self.waiter();
        let had = match self.approval.approvals() {
            0 => "Nobody had approved by then".to_owned(),
            given => format!("{} had arrived by then", written::count(given.into(), "approval", "approvals")),
        };
        let lead = format!(
            "Nobody needs to answer for {} any more. {had}{}",
            self.matter(),
            self.without_publishing(", and nothing was published.", ", and nothing was decided.")
        );
        let last = match &self.approval.status {
            ApprovalStatus::Cancelled { at, .. } => written::clock(*at),
            _ => String::new(),
        };
        let last = LogLine { time: last, icon: Icon::Note, text: format!("It was found that the {waiter} {}", had_ended(end)) };
        Ended::new(Icon::Note, format!("The {waiter} {}", has_ended(end)), lead)
            .with("What happened, in UTC", self.log(Some(last)))
            .text("What happens now", self.put_again())
    }

    fn superseded(&self) -> Ended {
        let approval = &self.approval;
        let asked = self.moment(approval.asked_at);
        let lead = format!(
            "The question about {} was put again at {asked}, and everyone got a new link. This one no longer decides anything.",
            self.matter()
        );
        let until = match approval.status {
            ApprovalStatus::Pending if self.now < approval.expires_at => {
                format!("Answer with the link in that mail, before {}.", self.moment(approval.expires_at))
            }
            _ => "The newer question is over, too: its link shows how it ended.".to_owned(),
        };
        Ended::new(Icon::Idle, "A newer question has replaced this one", lead)
            .steps([Step::new(format!("Open the newer mail, from {asked} or a little later.")), Step::new(until)])
            .text(
                "Why there is no link here",
                "The new link is as personal as this one was, so it is only ever sent by mail. If the mail hasn’t come, ask the data team on \
                 call. What is asked about may have changed: please look at it again.",
            )
    }

    /// Who did what, in order.
    fn log(&self, last: Option<LogLine>) -> Content {
        self.log_with(last)
    }

    fn log_with(&self, last: impl IntoIterator<Item = LogLine>) -> Content {
        let approval = &self.approval;
        let mut happened = vec![(approval.asked_at, Icon::Ok, self.beginning())];
        for (place, approver) in approval.approvers.iter().enumerate() {
            let person = if self.place() == Some(place) { "You".to_owned() } else { approver.address.person() };
            if let Some(answer) = &approver.answer {
                let (icon, text) = match &answer.decision {
                    Decision::Approve { comment: None } => (Icon::Ok, format!("{person} approved")),
                    Decision::Approve { comment: Some(comment) } => {
                        (Icon::Ok, format!("{person} approved: “{}”", excerpt(comment.as_str(), COMMENT_BYTES)))
                    }
                    Decision::Reject { .. } => (Icon::Wait, format!("{person} rejected")),
                };
                happened.push((answer.at, icon, text));
            }
            if let Some(handed) = &approver.handed_on {
                happened.push((handed.at, Icon::Ok, format!("{person} handed this on to {}", handed.to.person())));
            }
        }
        if let Some(extension) = &approval.extension {
            let asker = approval.approvers.iter().position(|approver| approver.address == extension.by);
            let person = if asker.is_some() && asker == self.place() { "You".to_owned() } else { extension.by.person() };
            happened.push((extension.at, Icon::Ok, format!("{person} asked for more time, until {}", written::clock(approval.expires_at))));
        }
        for (notice, why) in [(Notice::HalfTime, "half of the time was over"), (Notice::LastCall, "ten minutes were left")] {
            let reminded: Vec<_> =
                approval.approvers.iter().filter_map(|approver| Some((mailed_at(approver, notice)?, approver))).collect();
            if let Some(first) = reminded.iter().map(|(at, _)| *at).min() {
                let people: Vec<_> = reminded.iter().map(|(_, approver)| approver.address.person()).collect();
                let were = if people.len() == 1 { "was" } else { "were" };
                happened.push((first, Icon::Ok, format!("{} {were} reminded: {why}", written::list(&people))));
            }
        }
        happened.sort_by_key(|(at, ..)| *at);
        let happened = happened.into_iter().map(|(at, icon, text)| LogLine { time: written::clock(at), icon, text });
        Content::Log(happened.chain(last).collect())
    }

    /// What happened when this attempt began to wait.
    fn beginning(&self) -> String {
        let approval = &self.approval;
        if let ApprovalStatus::Decided { verdict, .. } = &approval.status
            && verdict.at.as_second() < approval.asked_at.as_second()
        {
            return format!("The {} was run again, and nobody had to answer twice", self.waiter());
        }
        let asked: Vec<_> = approval.approvers.iter().filter(|approver| approver.in_place_of.is_none()).collect();
        match asked.as_slice() {
            [only] => format!("{} was asked", only.address.person()),
            several => format!("{} people were asked", several.len()),
        }
    }
}

/// When an approver was told for the first time that they are asked.
pub(super) fn asked_at(approver: &Approver) -> Option<Timestamp> {
    approver.links.iter().filter_map(|link| link.sent_at).min()
}

fn mailed_at(approver: &Approver, notice: Notice) -> Option<Timestamp> {
    approver.links.iter().filter(|link| link.notice == notice).filter_map(|link| link.sent_at).min()
}

/// `A, B` as `A and B`.
fn named(people: &str) -> String {
    written::list(&people.split(", ").collect::<Vec<_>>())
}

/// Whether an end can only have come from this verdict: the definition's names for what a rejection and an expiry end in, and the success
/// that a night has only by publishing what is approved.
fn went_by(verdict: &Verdict, end: &ExecutionEnd) -> bool {
    match (verdict.decision, end) {
        (Ruling::Approved, ExecutionEnd::Succeeded) => verdict.order_lines.is_some(),
        (Ruling::Rejected, ExecutionEnd::Failed { error }) => error == "ApprovalRejected",
        (Ruling::Expired, ExecutionEnd::Failed { error }) => error == "ApprovalExpired",
        _ => false,
    }
}

fn had_ended(end: &ExecutionEnd) -> String {
    match end {
        ExecutionEnd::Succeeded => "had ended".to_owned(),
        ExecutionEnd::Failed { error } => format!("had failed ({error})"),
        ExecutionEnd::TimedOut => "had run out of time".to_owned(),
        ExecutionEnd::Aborted => "had been stopped".to_owned(),
    }
}

fn has_ended(end: &ExecutionEnd) -> String {
    match end {
        ExecutionEnd::Succeeded => "has ended without an answer".to_owned(),
        ExecutionEnd::Failed { error } => format!("has failed ({error})"),
        ExecutionEnd::TimedOut => "has run out of time".to_owned(),
        ExecutionEnd::Aborted => "was stopped".to_owned(),
    }
}

/// How the night is started again, where the execution's ARN tells its state machine.
fn start_command(execution_arn: &str, run_date: &str) -> Option<String> {
    let mut parts: Vec<_> = execution_arn.split(':').collect();
    let [_, _, "states", _, _, kind @ "execution", _, _] = parts.as_mut_slice() else {
        return None;
    };
    *kind = "stateMachine";
    parts.pop();
    Some(format!(
        "aws stepfunctions start-execution \\\n  --state-machine-arn {} \\\n  --input '{{\"runDate\":\"{run_date}\"}}'",
        parts.join(":")
    ))
}
