//! A desk whose every call is handed out before it is made: who makes calls here can be stopped, forgotten and begun again at any of them.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use jiff::Timestamp;
use nightly_domain::approval::{Approval, TaskToken};
use nightly_domain::audit::{Appended, Audit, Entry};
use nightly_domain::channel::{Channel, MessageReference, PostError};
use nightly_domain::history::{ExecutionEnd, Executions};
use nightly_domain::link::{ApprovalId, Secret};
use nightly_domain::people::Address;
use nightly_domain::ports::{Approvals, Clock, Desk, Mail, PortError, Replaced, Secrets, TaskAnswer, Tasks, Watch, Watches};
use serde_json::Value;

/// A call that is about to be made, with all that it takes.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Call {
    Read(ApprovalId),
    Replace(Option<Box<Approval>>, Box<Approval>),
    Succeed(TaskToken, String),
    Beat(TaskToken),
    ExecutionEnd(String),
    BeginWatch(Watch, Timestamp),
    EndWatch(Watch),
    Send(Address, String, String),
    Post(Value),
    Update(MessageReference, Value),
    Entries(ApprovalId),
    Append(Entry),
}

/// What a call came to.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Reply {
    Record(Option<Box<Approval>>),
    Replaced(Replaced),
    Task(TaskAnswer),
    End(Option<ExecutionEnd>),
    Done,
    Posted(Option<MessageReference>),
    Entries(Vec<Entry>),
    Appended(Appended),
    /// Whoever called knows no more than that.
    Failed,
}

/// One caller's side of the desk. It goes through the replies that it is given, and stops before the first call that has none.
#[derive(Clone)]
pub(super) struct Stepping(Arc<Mutex<Script>>);

struct Script {
    replies: VecDeque<(Timestamp, Reply)>,
    now: Timestamp,
    stopped_before: Option<Call>,
    secrets: u8,
}

impl Stepping {
    /// A caller that begins at this moment, with secrets counted on from a number of its own.
    pub(super) fn new(begun_at: Timestamp, secrets: u8, replies: impl IntoIterator<Item = (Timestamp, Reply)>) -> Self {
        let replies = replies.into_iter().collect();
        Self(Arc::new(Mutex::new(Script { replies, now: begun_at, stopped_before: None, secrets })))
    }

    /// The call before which the caller has stopped.
    pub(super) fn stopped_before(&self) -> Option<Call> {
        self.script().stopped_before.take()
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn call(&self, call: Call) -> Result<Reply, PortError> {
        let name = call.name();
        let mut call = Some(call);
        let reply = poll_fn(|_| {
            let mut script = self.script();
            if let Some((at, reply)) = script.replies.pop_front() {
                script.now = at;
                return Poll::Ready(reply);
            }
            assert!(script.stopped_before.is_none(), "the handlers make one call at a time");
            script.stopped_before = call.take();
            Poll::Pending
        });
        match reply.await {
            Reply::Failed => Err(PortError::new(name, "a planned fault")),
            reply => Ok(reply),
        }
    }
}

impl Call {
    /// As a failure names it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Read(_) => "Approvals.read",
            Self::Replace(..) => "Approvals.replace",
            Self::Succeed(..) => "Tasks.succeed",
            Self::Beat(_) => "Tasks.beat",
            Self::ExecutionEnd(_) => "Executions.end",
            Self::BeginWatch(..) => "Watches.begin",
            Self::EndWatch(_) => "Watches.end",
            Self::Send(..) => "Mail.send",
            Self::Post(_) => "Channel.post",
            Self::Update(..) => "Channel.update",
            Self::Entries(_) => "Audit.entries",
            Self::Append(_) => "Audit.append",
        }
    }

    /// Whether it writes, so that it can fail with and without effect.
    pub(super) fn writes(&self) -> bool {
        !matches!(self, Self::Read(_) | Self::ExecutionEnd(_) | Self::Entries(_))
    }

    /// Whether it can change what is decided, or what is done with it. Mails, schedules, the audit and the channel can't, nor can what the
    /// record remembers of them.
    pub(super) fn decides(&self) -> bool {
        match self {
            Self::Replace(Some(seen), next) => {
                let act = |record: &Approval| {
                    let people =
                        record.approvers.iter().map(|person| (person.answer.clone(), person.handed_on.clone())).collect::<Vec<_>>();
                    (record.generation, record.status.clone(), record.expires_at, people)
                };
                act(seen) != act(next)
            }
            Self::Replace(None, _) | Self::Read(_) | Self::Succeed(..) | Self::Beat(_) | Self::ExecutionEnd(_) => true,
            _ => false,
        }
    }
}

fn strange(reply: &Reply) -> ! {
    panic!("{reply:?} answers another call")
}

impl Approvals for Stepping {
    async fn read(&self, id: &ApprovalId) -> Result<Option<Approval>, PortError> {
        match self.call(Call::Read(id.clone())).await? {
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

impl Tasks for Stepping {
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

impl Executions for Stepping {
    async fn end(&self, execution_arn: &str) -> Result<Option<ExecutionEnd>, PortError> {
        match self.call(Call::ExecutionEnd(execution_arn.to_owned())).await? {
            Reply::End(end) => Ok(end),
            reply => strange(&reply),
        }
    }
}

impl Watches for Stepping {
    async fn begin(&self, watch: &Watch, until: Timestamp) -> Result<(), PortError> {
        self.call(Call::BeginWatch(watch.clone(), until)).await.map(drop)
    }

    async fn end(&self, watch: &Watch) -> Result<(), PortError> {
        self.call(Call::EndWatch(watch.clone())).await.map(drop)
    }
}

impl Mail for Stepping {
    async fn send(&self, to: &Address, subject: &str, text: &str) -> Result<(), PortError> {
        self.call(Call::Send(to.clone(), subject.to_owned(), text.to_owned())).await.map(drop)
    }
}

impl Channel for Stepping {
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

impl Audit for Stepping {
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

impl Secrets for Stepping {
    fn secret(&self) -> Result<Secret, PortError> {
        let mut script = self.script();
        script.secrets += 1;
        Ok(Secret::new([script.secrets; 32]))
    }
}

impl Clock for Stepping {
    fn now(&self) -> Timestamp {
        self.script().now
    }
}

impl Desk for Stepping {
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
