//! The ports with every call as data: whoever stands behind them says when each is answered, and with what.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::approval::{Approval, TaskToken};
use crate::audit::{Appended, Audit, Entry};
use crate::channel::{Channel, MessageReference, PostError};
use crate::execution::Execution;
use crate::history::{ExecutionEnd, Executions, Histories, HistoryEvent, Recorded};
use crate::link::{ApprovalId, Secret};
use crate::nights::{Begun, EndedNight, Medium, Nights, NoticeId, Notices, Standing};
use crate::people::Address;
use crate::ports::{
    Approvals, Clock, Desk, Mail, MailingList, Objects, PortError, Replaced, Secrets, Subscriptions, TaskAnswer, Tasks, Watch, Watches,
};
use crate::rates::{AskAgain, NoQuotes, Pauses, Quotes, RateSource};
use crate::{CurrencyCode, ObjectEntry, ObjectUri, RunDate};

/// A call of a port, with all that it takes.
#[derive(Debug, Clone, PartialEq)]
pub enum Call {
    /// `Approvals::read`.
    ReadRecord(ApprovalId),
    /// `Approvals::replace`.
    Replace(Option<Box<Approval>>, Box<Approval>),
    /// `Tasks::succeed`.
    Succeed(TaskToken, String),
    /// `Tasks::beat`.
    Beat(TaskToken),
    /// `Executions::end`.
    ExecutionEnd(String),
    /// `Histories::history` and `Histories::recorded`.
    History(String),
    /// `Histories::describe`.
    Describe(String),
    /// `Nights::end`.
    EndNight(Box<EndedNight>),
    /// `Notices::begin`.
    BeginNotice(NoticeId, Medium, Timestamp),
    /// `Notices::told`.
    NoticeTold(NoticeId, Medium, Timestamp),
    /// `Notices::give_up`.
    GiveUpNotice(NoticeId, Medium, Timestamp),
    /// `MailingList::mail`: the subject, the text.
    MailAll(String, String),
    /// `Watches::begin`.
    BeginWatch(Watch, Timestamp),
    /// `Watches::end`.
    EndWatch(Watch),
    /// `Mail::send`: to whom, the subject, the text.
    Send(Address, String, String),
    /// `Channel::post`.
    Post(Value),
    /// `Channel::update`.
    Update(MessageReference, Value),
    /// `Audit::entries`.
    Entries(ApprovalId),
    /// `Audit::append`.
    Append(Entry),
    /// `Objects::read`.
    ReadObject(ObjectUri),
    /// `Objects::write`.
    WriteObject(ObjectUri, Vec<u8>),
    /// `Objects::list`.
    List(ObjectUri),
    /// `Subscriptions::confirmed`.
    Confirmed,
    /// `RateSource::ask`.
    Ask(RunDate, CurrencyCode),
    /// `Pauses::pause`: the shortest and the longest.
    Pause(Duration, Duration),
}

/// What a call came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// The record, if there is one.
    Record(Option<Box<Approval>>),
    /// Whether it was replaced.
    Replaced(Replaced),
    /// What Step Functions answered.
    Task(TaskAnswer),
    /// How the execution ended; nothing while it runs.
    End(Option<ExecutionEnd>),
    /// The execution's events, and the figures in their data.
    History(Box<Recorded>),
    /// The execution.
    Described(Box<Execution>),
    /// How the row stands.
    Standing(Standing),
    /// Whether the caller is to tell.
    Begun(Begun),
    /// Where the message stands, if that is told.
    Posted(Option<MessageReference>),
    /// The chain.
    Entries(Vec<Entry>),
    /// Whether the entry was appended.
    Appended(Appended),
    /// The object's body, if there is one.
    Object(Option<Arc<[u8]>>),
    /// What lies below the prefix.
    Listed(Vec<ObjectEntry>),
    /// Who has confirmed.
    Confirmed(Vec<Address>),
    /// The rates, or why there are none.
    Quotes(Result<Quotes, NoQuotes>),
    /// It worked, and there is nothing to tell.
    Done,
    /// Whoever called knows no more than that.
    Failed,
}

impl Call {
    /// As ports and faults name it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::ReadRecord(_) => "Approvals.read",
            Self::Replace(..) => "Approvals.replace",
            Self::Succeed(..) => "Tasks.succeed",
            Self::Beat(_) => "Tasks.beat",
            Self::ExecutionEnd(_) => "Executions.end",
            Self::History(_) => "Histories.history",
            Self::Describe(_) => "Histories.describe",
            Self::EndNight(_) => "Nights.end",
            Self::BeginNotice(..) => "Notices.begin",
            Self::NoticeTold(..) => "Notices.told",
            Self::GiveUpNotice(..) => "Notices.give_up",
            Self::MailAll(..) => "MailingList.mail",
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
    pub fn writes(&self) -> bool {
        matches!(
            self,
            Self::Replace(..)
                | Self::Succeed(..)
                | Self::Beat(_)
                | Self::EndNight(_)
                | Self::BeginNotice(..)
                | Self::NoticeTold(..)
                | Self::GiveUpNotice(..)
                | Self::MailAll(..)
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

/// Whoever answers calls.
pub trait Answering: Clone + Send + Sync {
    /// Answers a call, when it will. Whoever drops the future has crashed before the answer came.
    fn answer(&self, call: Call) -> impl Future<Output = Reply> + Send;

    /// A secret of whoever calls; no two are the same.
    fn secret(&self) -> Secret;

    /// What the clock shows to whoever calls.
    fn now(&self) -> Timestamp;
}

/// Every port, answered call by call.
#[derive(Debug, Clone)]
pub struct ByCalls<A>(pub A);

impl<A: Answering> ByCalls<A> {
    async fn call(&self, call: Call) -> Result<Reply, PortError> {
        let name = call.name();
        match self.0.answer(call).await {
            Reply::Failed => Err(PortError::new(name, "a planned fault")),
            reply => Ok(reply),
        }
    }
}

fn strange(reply: &Reply) -> ! {
    panic!("{reply:?} answers another call")
}

impl<A: Answering> Approvals for ByCalls<A> {
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

impl<A: Answering> Tasks for ByCalls<A> {
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

impl<A: Answering> Executions for ByCalls<A> {
    async fn end(&self, execution_arn: &str) -> Result<Option<ExecutionEnd>, PortError> {
        match self.call(Call::ExecutionEnd(execution_arn.to_owned())).await? {
            Reply::End(end) => Ok(end),
            reply => strange(&reply),
        }
    }
}

impl<A: Answering> Histories for ByCalls<A> {
    async fn history(&self, execution_arn: &str) -> Result<Vec<HistoryEvent>, PortError> {
        self.recorded(execution_arn).await.map(|recorded| recorded.events)
    }

    async fn recorded(&self, execution_arn: &str) -> Result<Recorded, PortError> {
        match self.call(Call::History(execution_arn.to_owned())).await? {
            Reply::History(recorded) => Ok(*recorded),
            reply => strange(&reply),
        }
    }

    async fn describe(&self, execution_arn: &str) -> Result<Execution, PortError> {
        match self.call(Call::Describe(execution_arn.to_owned())).await? {
            Reply::Described(execution) => Ok(*execution),
            reply => strange(&reply),
        }
    }
}

impl<A: Answering> Nights for ByCalls<A> {
    async fn end(&self, night: &EndedNight) -> Result<Standing, PortError> {
        match self.call(Call::EndNight(Box::new(night.clone()))).await? {
            Reply::Standing(standing) => Ok(standing),
            reply => strange(&reply),
        }
    }
}

impl<A: Answering> Notices for ByCalls<A> {
    async fn begin(&self, notice: &NoticeId, medium: Medium, now: Timestamp) -> Result<Begun, PortError> {
        match self.call(Call::BeginNotice(notice.clone(), medium, now)).await? {
            Reply::Begun(begun) => Ok(begun),
            reply => strange(&reply),
        }
    }

    async fn told(&self, notice: &NoticeId, medium: Medium, at: Timestamp) -> Result<(), PortError> {
        self.call(Call::NoticeTold(notice.clone(), medium, at)).await.map(drop)
    }

    async fn give_up(&self, notice: &NoticeId, medium: Medium, begun_at: Timestamp) -> Result<(), PortError> {
        self.call(Call::GiveUpNotice(notice.clone(), medium, begun_at)).await.map(drop)
    }
}

impl<A: Answering> MailingList for ByCalls<A> {
    async fn mail(&self, subject: &str, text: &str) -> Result<(), PortError> {
        self.call(Call::MailAll(subject.to_owned(), text.to_owned())).await.map(drop)
    }
}

impl<A: Answering> Watches for ByCalls<A> {
    async fn begin(&self, watch: &Watch, until: Timestamp) -> Result<(), PortError> {
        self.call(Call::BeginWatch(watch.clone(), until)).await.map(drop)
    }

    async fn end(&self, watch: &Watch) -> Result<(), PortError> {
        self.call(Call::EndWatch(watch.clone())).await.map(drop)
    }
}

impl<A: Answering> Mail for ByCalls<A> {
    async fn send(&self, to: &Address, subject: &str, text: &str) -> Result<(), PortError> {
        self.call(Call::Send(to.clone(), subject.to_owned(), text.to_owned())).await.map(drop)
    }
}

impl<A: Answering> Channel for ByCalls<A> {
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

impl<A: Answering> Audit for ByCalls<A> {
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

impl<A: Answering> Objects for ByCalls<A> {
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

impl<A: Answering> Subscriptions for ByCalls<A> {
    async fn confirmed(&self) -> Result<Vec<Address>, PortError> {
        match self.call(Call::Confirmed).await? {
            Reply::Confirmed(people) => Ok(people),
            reply => strange(&reply),
        }
    }
}

impl<A: Answering> RateSource for ByCalls<A> {
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

impl<A: Answering> Pauses for ByCalls<A> {
    async fn pause(&self, shortest: Duration, longest: Duration) {
        // A pause can't fail: whoever injects faults knows that.
        drop(self.call(Call::Pause(shortest, longest)).await);
    }
}

impl<A: Answering> Secrets for ByCalls<A> {
    fn secret(&self) -> Result<Secret, PortError> {
        Ok(self.0.secret())
    }
}

impl<A: Answering> Clock for ByCalls<A> {
    fn now(&self) -> Timestamp {
        self.0.now()
    }
}

impl<A: Answering> Desk for ByCalls<A> {
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
