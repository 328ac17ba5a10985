//! What a port's call does to the world.

use nightly_asl::{Detail, Event, Instant, Json, Status, Stimulus, TaskId};
use nightly_domain::channel::MessageReference;
use nightly_domain::execution::{Ending, Execution};
use nightly_domain::history::{EventKind, HistoryEvent, Recorded};
use nightly_domain::measured::{Meter, TaskEvent};
use nightly_domain::memory::calls::{Call, Reply};
use nightly_domain::nights::{Medium, Notices as _};
use nightly_domain::people::Address;
use nightly_domain::ports::{TaskAnswer, Watch};
use nightly_domain::rates::{AskAgain, NoQuotes, Quotes};
use nightly_domain::{CurrencyCode, RunDate};
use rust_decimal::Decimal;

use super::{Due, Play};
use crate::deployment::WATCH_MINUTES;
use crate::functions::Function;
use crate::invariants;
use crate::people::{self, Deed};
use crate::story::Rates;
use crate::world::{Letter, Schedule, finish, timestamp};

const NO_FAULT: &str = "no fault is planned behind this gate";

impl Play<'_> {
    /// Makes the call of a function that was begun at that moment.
    pub(super) fn effect(&mut self, function: Function, begun: Instant, call: &Call) -> Reply {
        use nightly_domain::audit::Audit as _;
        let now = self.now();
        match call {
            Call::ReadRecord(id) => Reply::Record(self.world.approvals.stored(id).map(Box::new)),
            Call::Replace(seen, next) => {
                let before = self.world.approvals.stored(&next.id);
                let replaced = self.world.replace(seen.as_deref(), next, now);
                if self.world.approvals.stored(&next.id) != before {
                    invariants::record_changed(self, before.as_ref(), next);
                    if before.as_ref().is_none_or(|before| before.status.name() != next.status.name()) {
                        self.tell(function.name(), format!("records {} (generation {})", next.status.name(), next.generation));
                    }
                }
                Reply::Replaced(replaced)
            }
            Call::Succeed(..) | Call::Beat(_) if self.is_deaf() => Reply::Failed,
            Call::Post(_) | Call::Update(..) if self.messages_refused < self.story.slack_down_for => {
                self.messages_refused += 1;
                Reply::Failed
            }
            Call::Succeed(token, output) => Reply::Task(match (self.waiting(token.expose()), Json::parse(output)) {
                (Some((run, task)), Ok(output)) => self.tell_task(run, Stimulus::Succeeded { task, output }),
                _ => TaskAnswer::Closed,
            }),
            Call::Beat(token) => Reply::Task(match self.waiting(token.expose()) {
                Some((run, task)) => self.tell_task(run, Stimulus::Heartbeat { task }),
                None => TaskAnswer::Closed,
            }),
            Call::ExecutionEnd(arn) => match self.run_of(arn) {
                Some(run) => Reply::End(self.end_of(run)),
                None => Reply::Failed,
            },
            Call::History(arn) => match self.run_of(arn) {
                Some(run) => Reply::History(Box::new(recorded(self.runs[run].execution.history()))),
                None => Reply::Failed,
            },
            Call::Describe(_)
            | Call::EndNight(_)
            | Call::BeginNotice(..)
            | Call::NoticeTold(..)
            | Call::GiveUpNotice(..)
            | Call::MailAll(..) => self.effect_of_telling(call),
            Call::BeginWatch(watch, until) => {
                self.begin_watch(watch, *until);
                Reply::Done
            }
            Call::EndWatch(watch) => {
                for schedule in self.world.watches.iter_mut().filter(|schedule| schedule.watch == *watch) {
                    schedule.ended = true;
                }
                Reply::Done
            }
            Call::Send(to, subject, text) => {
                self.send(to, subject, text, begun);
                Reply::Done
            }
            Call::Post(message) => {
                invariants::posted(self, message, begun);
                self.tell("Slack", message["text"].as_str().unwrap_or_default().to_owned());
                self.world.heard.push((now, Medium::Slack, message.to_string()));
                self.world.posts.push(message.clone());
                let ts = (self.world.posts.len() - 1).to_string();
                Reply::Posted(Some(MessageReference { channel: "C1".to_owned(), ts }))
            }
            Call::Update(standing, message) => {
                invariants::posted(self, message, begun);
                self.tell("Slack", message["text"].as_str().unwrap_or_default().to_owned());
                if let Some(post) = standing.ts.parse::<usize>().ok().and_then(|place| self.world.posts.get_mut(place)) {
                    post.clone_from(message);
                }
                Reply::Posted(None)
            }
            Call::Entries(id) => Reply::Entries(self.world.audit.chain(id)),
            Call::Append(entry) => Reply::Appended(finish(self.world.audit.append(entry)).expect("no fault is planned behind this gate")),
            Call::ReadObject(uri) => Reply::Object(self.world.objects.read(uri)),
            Call::WriteObject(uri, body) => {
                invariants::object_written(self, uri, body);
                self.world.objects.put(uri, body.as_slice());
                Reply::Done
            }
            Call::List(prefix) => Reply::Listed(self.world.objects.list(prefix)),
            Call::Confirmed => {
                let people = self.story.people.iter().filter_map(|person| person.address.parse().ok());
                Reply::Confirmed(people.collect())
            }
            Call::Ask(date, base) => Reply::Quotes(self.quotes(*date, *base)),
            Call::Pause(..) => Reply::Done,
        }
    }

    /// Makes a call that only telling people makes.
    fn effect_of_telling(&mut self, call: &Call) -> Reply {
        let now = self.now();
        match call {
            Call::Describe(arn) => match self.run_of(arn) {
                Some(run) => Reply::Described(Box::new(self.describe(run))),
                None => Reply::Failed,
            },
            Call::EndNight(night) => Reply::Standing(self.world.end_night(night)),
            Call::BeginNotice(notice, medium, at) => {
                let begun = finish(self.world.notices.begin(notice, *medium, *at)).expect(NO_FAULT);
                if self.warehouse.takes_a_beginning_for_an_end() {
                    finish(self.world.notices.told(notice, *medium, *at)).expect(NO_FAULT);
                }
                Reply::Begun(begun)
            }
            Call::NoticeTold(notice, medium, at) => {
                finish(self.world.notices.told(notice, *medium, *at)).expect(NO_FAULT);
                Reply::Done
            }
            Call::GiveUpNotice(notice, medium, begun_at) => {
                finish(self.world.notices.give_up(notice, *medium, *begun_at)).expect(NO_FAULT);
                Reply::Done
            }
            Call::MailAll(subject, text) => {
                self.tell("mail", format!("to the stakeholders: {subject}"));
                self.world.heard.push((now, Medium::Mail, format!("{subject}\n{text}")));
                Reply::Done
            }
            _ => unreachable!("{} is not about telling", call.name()),
        }
    }

    /// What `DescribeExecution` says of it.
    fn describe(&self, number: usize) -> Execution {
        let run = &self.runs[number];
        let cause = match run.execution.status() {
            Status::Failed(failure) | Status::TimedOut(failure) | Status::Aborted(failure) => failure.cause.as_deref().map(str::to_owned),
            Status::Running | Status::Succeeded(_) => None,
        };
        let at = run.ends.last().copied().unwrap_or(self.now());
        let redrivable = !matches!(run.execution.status(), Status::Succeeded(_));
        let started_at = run.execution.history().first().map_or(self.now(), |first| first.at);
        Execution {
            arn: run.arn.clone(),
            state_machine_arn: "arn:aws:states:eu-central-1:123456789012:stateMachine:nightly-night".to_owned(),
            started_at: timestamp(started_at),
            input: run.input.clone(),
            redrives: u32::try_from(run.redriven.len()).unwrap_or(u32::MAX),
            ending: self.end_of(number).map(|end| Ending { end, at: timestamp(at), cause, redrivable }),
        }
    }

    /// Nobody reaches Step Functions now.
    fn is_deaf(&self) -> bool {
        let since = |first: Instant| self.story.deaf_millis.is_some_and(|millis| self.now() < first.plus_millis(millis));
        self.first_mail.is_some_and(since)
    }

    fn waiting(&self, token: &str) -> Option<(usize, TaskId)> {
        let of = |(number, run): (usize, &super::Run)| Some((number, run.tokens.iter().find(|(known, _)| **known == *token)?.1));
        self.runs.iter().enumerate().find_map(of)
    }

    fn tell_task(&mut self, run: usize, stimulus: Stimulus) -> TaskAnswer {
        let now = self.now();
        match self.runs[run].execution.apply(stimulus, now) {
            Ok(()) => TaskAnswer::Accepted,
            Err(_) => TaskAnswer::Closed,
        }
    }

    pub(super) fn run_of(&self, arn: &str) -> Option<usize> {
        self.runs.iter().position(|run| run.arn == arn)
    }

    fn begin_watch(&mut self, watch: &Watch, until: jiff::Timestamp) {
        if self.world.watches.iter().any(|known| known.watch == *watch && !known.ended) {
            return;
        }
        let number = self.world.watches.len();
        self.world.watches.push(Schedule { watch: watch.clone(), until, ended: false });
        let first = self.chance.of(("watch", number as u64)).between(1_000, WATCH_MINUTES * 60_000);
        self.queue.after_millis(first, Due::Round(number));
    }

    fn send(&mut self, to: &Address, subject: &str, text: &str, begun: Instant) {
        let Some(path) = people::path(text) else {
            return self.violate("nobody_is_told_what_is_not_so", format!("the mail «{subject}» has no link"));
        };
        let letter = Letter { at: self.now(), to: to.clone(), subject: subject.to_owned(), path: path.to_owned() };
        invariants::mailed(self, &letter, begun);
        self.tell("mail", format!("to {}: {subject}", to.as_str()));
        if let Some(person) = self.story.people.iter().position(|person| person.address == to.as_str()) {
            let number = self.world.letters.len() as u64;
            let after = self.chance.of(("letter", number)).between(1_000, 20_000);
            self.queue.after_millis(after, Due::Does(person, Deed::Receives { path: letter.path.clone(), subject: subject.to_owned() }));
        }
        if self.first_mail.is_none() {
            self.first_mail = Some(self.now());
            if let Some(after) = self.story.tampered_after_millis {
                self.queue.after_millis(after, Due::Tamper);
            }
        }
        self.world.letters.push(letter);
    }

    fn quotes(&mut self, date: RunDate, base: CurrencyCode) -> Result<Quotes, NoQuotes> {
        self.rates_asked += 1;
        let none = |reason: &str, again| Err(NoQuotes { reason: reason.to_owned(), again });
        let of = |base: CurrencyCode, effective: jiff::civil::Date, without: Option<&str>| {
            let quotes = [("CHF", 9371), ("GBP", 8803), ("JPY", 1_812_300), ("SEK", 109_800), ("USD", 11_512)];
            let quotes = quotes.into_iter().filter(|(code, _)| Some(*code) != without);
            let quotes = quotes.map(|(code, rate)| (code.parse().expect("a currency"), Decimal::new(rate, 4))).collect();
            Ok(Quotes { base, effective_date: effective, quotes })
        };
        match self.story.rates {
            Rates::DownFor(times) if self.rates_asked <= times => none("503 Service Unavailable", AskAgain::Soon),
            Rates::Good | Rates::DownFor(_) => of(base, date.date(), None),
            Rates::Stale => of(base, date.date() - jiff::Span::new().days(9), None),
            Rates::WithoutOne => of(base, date.date(), self.story.day.currencies.iter().find(|code| **code != "EUR").copied()),
            Rates::TooSlow => none("no answer within 5 s", AskAgain::Soon),
            Rates::OfAnotherBase => of("USD".parse().expect("a currency"), date.date(), None),
        }
    }
}

fn recorded(events: &[Event]) -> Recorded {
    let mut meter = Meter::default();
    for event in events {
        measure(&mut meter, event);
    }
    Recorded { events: events.iter().map(history_event).collect(), measured: meter.measured() }
}

fn measure(meter: &mut Meter, event: &Event) {
    let (call, output, failure) = match &event.detail {
        Detail::TaskStarted { call } => (call, None, None),
        Detail::TaskSubmitted { call, output } | Detail::TaskSucceeded { call, output } => (call, Some(output.text()), None),
        Detail::TaskFailed { call, failure } | Detail::TaskTimedOut { call, failure } => (call, None, Some(failure)),
        _ => return,
    };
    let HistoryEvent { id, previous_id, at, .. } = history_event(event);
    meter.read(&TaskEvent {
        id,
        previous_id,
        at,
        kind: &event.kind(),
        resource_type: &call.service,
        resource: &call.action,
        error: failure.and_then(|failure| failure.error.as_deref()),
        data: output.or(failure.and_then(|failure| failure.cause.as_deref())),
    });
}

fn history_event(event: &Event) -> HistoryEvent {
    let state = match &event.detail {
        Detail::StateEntered { name, .. } | Detail::StateExited { name, .. } => Some(&**name),
        _ => None,
    };
    let error = match &event.detail {
        Detail::ExecutionFailed(failure) => failure.error.as_deref(),
        _ => None,
    };
    HistoryEvent {
        id: i64::try_from(event.id).unwrap_or(i64::MAX),
        previous_id: i64::try_from(event.previous).unwrap_or(i64::MAX),
        at: timestamp(event.at),
        kind: EventKind::read(&event.kind(), state, error),
    }
}
