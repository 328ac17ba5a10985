//! A function's line to the world: every call of its ports goes down it as data, and waits there until somebody answers.
//!
//! So a call can be late, fail with or without its effect, or never be answered; and a function whose future is dropped has crashed, wherever
//! it stood.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use jiff::Timestamp;
use nightly_domain::approval::{Approval, TaskToken};
use nightly_domain::audit::{Appended, Audit, Entry};
use nightly_domain::channel::{Channel, MessageReference, PostError};
use nightly_domain::history::{ExecutionEnd, Executions, Histories, HistoryEvent};
use nightly_domain::link::{ApprovalId, Secret};
use nightly_domain::people::Address;
use nightly_domain::ports::{
    Approvals, Clock, Desk, Mail, Objects, PortError, Replaced, Secrets, Subscriptions, TaskAnswer, Tasks, Watch, Watches,
};
use nightly_domain::rates::{AskAgain, NoQuotes, Pauses, Quotes, RateSource};
use nightly_domain::{CurrencyCode, ObjectEntry, ObjectUri, RunDate};
use serde_json::Value;

use crate::chance::Chance;

/// A call that is made, with all that it takes.
#[derive(Debug, Clone)]
pub(crate) enum Call {
    ReadRecord(ApprovalId),
    Replace(Option<Box<Approval>>, Box<Approval>),
    Succeed(TaskToken, String),
    Beat(TaskToken),
    ExecutionEnd(String),
    History(String),
    BeginWatch(Watch, Timestamp),
    EndWatch(Watch),
    Send(Address, String, String),
    Post(Value),
    Update(MessageReference, Value),
    Entries(ApprovalId),
    Append(Entry),
    ReadObject(ObjectUri),
    WriteObject(ObjectUri, Vec<u8>),
    List(ObjectUri),
    Confirmed,
    Ask(RunDate, CurrencyCode),
    Pause(Duration, Duration),
}

/// What a call came to.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    Record(Option<Box<Approval>>),
    Replaced(Replaced),
    Task(TaskAnswer),
    End(Option<ExecutionEnd>),
    History(Vec<HistoryEvent>),
    Posted(Option<MessageReference>),
    Entries(Vec<Entry>),
    Appended(Appended),
    Object(Option<Arc<[u8]>>),
    Listed(Vec<ObjectEntry>),
    Confirmed(Vec<Address>),
    Quotes(Result<Quotes, NoQuotes>),
    Done,
    /// Whoever called knows no more than that.
    Failed,
}

impl Call {
    /// As ports and faults name it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::ReadRecord(_) => "Approvals.read",
            Self::Replace(..) => "Approvals.replace",
            Self::Succeed(..) => "Tasks.succeed",
            Self::Beat(_) => "Tasks.beat",
            Self::ExecutionEnd(_) => "Executions.end",
            Self::History(_) => "Histories.history",
            Self::BeginWatch(..) => "Watches.begin",
            Self::EndWatch(_) => "Watches.end",
            Self::Send(..) => "Mail.send",
            Self::Post(_) => "Channel.post",
            Self::Update(..) => "Channel.update",
            Self::Entries(_) => "Audit.entries",
            Self::Append(_) => "Audit.append",
            Self::ReadObject(_) => "Objects.read",
            Self::WriteObject(..) => "Objects.write",
            Self::List(_) => "Objects.list",
            Self::Confirmed => "Subscriptions.confirmed",
            Self::Ask(..) => "RateSource.ask",
            Self::Pause(..) => "Pauses.pause",
        }
    }

    /// Whether it changes something, so that it can fail with and without its effect.
    pub(crate) fn writes(&self) -> bool {
        matches!(
            self,
            Self::Replace(..)
                | Self::Succeed(..)
                | Self::Beat(_)
                | Self::BeginWatch(..)
                | Self::EndWatch(_)
                | Self::Send(..)
                | Self::Post(_)
                | Self::Update(..)
                | Self::Append(_)
                | Self::WriteObject(..)
        )
    }
}

/// One invocation's side of the world.
#[derive(Clone)]
pub(crate) struct Line(Arc<Mutex<Wire>>);

struct Wire {
    now: Timestamp,
    secrets: Chance,
    begun: u32,
    waiting: Vec<Waiting>,
}

struct Waiting {
    number: u32,
    call: Option<Call>,
    reply: Option<Reply>,
    waker: Option<Waker>,
}

impl Line {
    /// A line that nobody has spoken on. Secrets are drawn from `secrets`.
    pub(crate) fn new(now: Timestamp, secrets: Chance) -> Self {
        Self(Arc::new(Mutex::new(Wire { now, secrets, begun: 0, waiting: Vec::new() })))
    }

    /// The calls that were made since somebody asked last, each with its number.
    pub(crate) fn made(&self) -> Vec<(u32, Call)> {
        self.wire().waiting.iter_mut().filter_map(|waiting| Some((waiting.number, waiting.call.take()?))).collect()
    }

    /// Answers the call of this number. It is that late then.
    pub(crate) fn answer(&self, number: u32, reply: Reply, now: Timestamp) {
        let mut wire = self.wire();
        wire.now = now;
        let waker = wire.waiting.iter_mut().find(|waiting| waiting.number == number).and_then(|waiting| {
            waiting.reply = Some(reply);
            waiting.waker.take()
        });
        drop(wire);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn wire(&self) -> MutexGuard<'_, Wire> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn call(&self, call: Call) -> Result<Reply, PortError> {
        let name = call.name();
        let mut call = Some(call);
        let mut number = 0;
        let reply = std::future::poll_fn(|context| {
            let mut wire = self.wire();
            if let Some(call) = call.take() {
                wire.begun += 1;
                number = wire.begun;
                wire.waiting.push(Waiting { number, call: Some(call), reply: None, waker: Some(context.waker().clone()) });
                return Poll::Pending;
            }
            let place = wire.waiting.iter().position(|waiting| waiting.number == number).expect("a call waits until it is answered");
            if wire.waiting[place].reply.is_none() {
                wire.waiting[place].waker = Some(context.waker().clone());
                return Poll::Pending;
            }
            Poll::Ready(wire.waiting.swap_remove(place).reply.expect("it was just looked at"))
        });
        match reply.await {
            Reply::Failed => Err(PortError::new(name, "a fault of this rehearsal")),
            reply => Ok(reply),
        }
    }
}

fn strange(reply: &Reply) -> ! {
    panic!("{reply:?} answers another call")
}

impl Approvals for Line {
    async fn read(&self, id: &ApprovalId) -> Result<Option<Approval>, PortError> {
        match self.call(Call::ReadRecord(id.clone())).await? {
            Reply::Record(record) => Ok(record.map(|record| *record)),
            reply => strange(&reply),
        }
    }

    async fn replace(&self, seen: Option<&Approval>, next: &Approval) -> Result<Replaced, PortError> {
        match self.call(Call::Replace(seen.cloned().map(Box::new), Box::new(next.clone()))).await? {
            Reply::Replaced(replaced) => Ok(replaced),
            reply => strange(&reply),
        }
    }
}

impl Tasks for Line {
    async fn succeed(&self, token: &TaskToken, output: &str) -> Result<TaskAnswer, PortError> {
        match self.call(Call::Succeed(token.clone(), output.to_owned())).await? {
            Reply::Task(answer) => Ok(answer),
            reply => strange(&reply),
        }
    }

    async fn beat(&self, token: &TaskToken) -> Result<TaskAnswer, PortError> {
        match self.call(Call::Beat(token.clone())).await? {
            Reply::Task(answer) => Ok(answer),
            reply => strange(&reply),
        }
    }
}

impl Executions for Line {
    async fn end(&self, execution_arn: &str) -> Result<Option<ExecutionEnd>, PortError> {
        match self.call(Call::ExecutionEnd(execution_arn.to_owned())).await? {
            Reply::End(end) => Ok(end),
            reply => strange(&reply),
        }
    }
}

impl Histories for Line {
    async fn history(&self, execution_arn: &str) -> Result<Vec<HistoryEvent>, PortError> {
        match self.call(Call::History(execution_arn.to_owned())).await? {
            Reply::History(events) => Ok(events),
            reply => strange(&reply),
        }
    }
}

impl Watches for Line {
    async fn begin(&self, watch: &Watch, until: Timestamp) -> Result<(), PortError> {
        self.call(Call::BeginWatch(watch.clone(), until)).await.map(drop)
    }

    async fn end(&self, watch: &Watch) -> Result<(), PortError> {
        self.call(Call::EndWatch(watch.clone())).await.map(drop)
    }
}

impl Mail for Line {
    async fn send(&self, to: &Address, subject: &str, text: &str) -> Result<(), PortError> {
        self.call(Call::Send(to.clone(), subject.to_owned(), text.to_owned())).await.map(drop)
    }
}

impl Channel for Line {
    async fn post(&self, message: &Value) -> Result<Option<MessageReference>, PostError> {
        match self.call(Call::Post(message.clone())).await.map_err(|error| PostError::MaybePosted(error.into()))? {
            Reply::Posted(reference) => Ok(reference),
            reply => strange(&reply),
        }
    }

    async fn update(&self, posted: &MessageReference, message: &Value) -> Result<(), PostError> {
        let outcome = self.call(Call::Update(posted.clone(), message.clone())).await;
        outcome.map(drop).map_err(|error| PostError::MaybePosted(error.into()))
    }
}

impl Audit for Line {
    async fn entries(&self, approval: &ApprovalId) -> Result<Vec<Entry>, PortError> {
        match self.call(Call::Entries(approval.clone())).await? {
            Reply::Entries(entries) => Ok(entries),
            reply => strange(&reply),
        }
    }

    async fn append(&self, entry: &Entry) -> Result<Appended, PortError> {
        match self.call(Call::Append(entry.clone())).await? {
            Reply::Appended(appended) => Ok(appended),
            reply => strange(&reply),
        }
    }
}

impl Objects for Line {
    async fn read(&self, uri: &ObjectUri) -> Result<Option<Vec<u8>>, PortError> {
        match self.call(Call::ReadObject(uri.clone())).await? {
            Reply::Object(body) => Ok(body.map(|body| body.to_vec())),
            reply => strange(&reply),
        }
    }

    async fn write(&self, uri: &ObjectUri, _content_type: &str, body: Vec<u8>) -> Result<(), PortError> {
        self.call(Call::WriteObject(uri.clone(), body)).await.map(drop)
    }

    async fn list(&self, prefix: &ObjectUri) -> Result<Vec<ObjectEntry>, PortError> {
        match self.call(Call::List(prefix.clone())).await? {
            Reply::Listed(entries) => Ok(entries),
            reply => strange(&reply),
        }
    }
}

impl Subscriptions for Line {
    async fn confirmed(&self) -> Result<Vec<Address>, PortError> {
        match self.call(Call::Confirmed).await? {
            Reply::Confirmed(people) => Ok(people),
            reply => strange(&reply),
        }
    }
}

impl RateSource for Line {
    fn host(&self) -> &'static str {
        "rates.example"
    }

    async fn ask(&self, date: RunDate, base: CurrencyCode) -> Result<Quotes, NoQuotes> {
        match self.call(Call::Ask(date, base)).await {
            Ok(Reply::Quotes(quotes)) => quotes,
            Ok(reply) => strange(&reply),
            Err(error) => Err(NoQuotes { reason: error.to_string(), again: AskAgain::Soon }),
        }
    }
}

impl Pauses for Line {
    async fn pause(&self, shortest: Duration, longest: Duration) {
        // A pause can't fail: whoever injects faults knows that.
        drop(self.call(Call::Pause(shortest, longest)).await);
    }
}

impl Secrets for Line {
    fn secret(&self) -> Result<Secret, PortError> {
        let mut wire = self.wire();
        let mut bytes = [0; 32];
        for part in bytes.chunks_exact_mut(8) {
            part.copy_from_slice(&wire.secrets.bits().to_le_bytes());
        }
        Ok(Secret::new(bytes))
    }
}

impl Clock for Line {
    fn now(&self) -> Timestamp {
        self.wire().now
    }
}

impl Desk for Line {
    type Approvals = Self;
    type Tasks = Self;
    type Executions = Self;
    type Watches = Self;
    type Mail = Self;
    type Channel = Self;
    type Audit = Self;
    type Secrets = Self;
    type Clock = Self;

    fn approvals(&self) -> &Self {
        self
    }

    fn tasks(&self) -> &Self {
        self
    }

    fn executions(&self) -> &Self {
        self
    }

    fn watches(&self) -> &Self {
        self
    }

    fn mail(&self) -> &Self {
        self
    }

    fn channel(&self) -> Option<&Self> {
        Some(self)
    }

    fn audit(&self) -> &Self {
        self
    }

    fn secrets(&self) -> &Self {
        self
    }

    fn clock(&self) -> &Self {
        self
    }
}
