//! The in-memory side of the ports, with faults and crashes at will, for tests and rehearsals. A clone is the same world seen again.

pub mod calls;
pub mod contract;

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};

use crate::approval::{Approval, ApprovalStatus, TaskToken};
use crate::audit::{Appended, Audit, Entry};
use crate::channel::MemoryChannel;
use crate::evidence::hex;
use crate::history::{ExecutionEnd, Executions};
use crate::link::{ApprovalId, Secret};
use crate::people::Address;
use crate::ports::{
    Approvals, Clock, Copied, Deliveries, Desk, Mail, MailingList, Objects, PortError, Replaced, Secrets, TaskAnswer, Tasks, Watch, Watches,
};
use crate::{ObjectEntry, ObjectUri};

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It works.
    Works,
    /// It fails and has done nothing.
    FailsBefore,
    /// It has done its work, and the caller sees a failure.
    FailsAfter,
}

/// Every call of the ports that share a gate passes through it.
#[derive(Debug, Default)]
pub struct Gate {
    stepwise: bool,
    planned: Mutex<Vec<(Option<&'static str>, Fate)>>,
    calls: Mutex<Vec<&'static str>>,
    stopped_at: Mutex<Option<&'static str>>,
}

impl Gate {
    /// A gate at which every caller stops once before each call, so that a test can decide whose call comes next, or that none does.
    pub fn stepwise() -> Self {
        Self { stepwise: true, ..Self::default() }
    }

    /// Plans what happens to the next call of this name, such as `Tasks.succeed`.
    pub fn plan(&self, call: &'static str, fate: Fate) {
        locked(&self.planned).push((Some(call), fate));
    }

    /// Plans what happens to the next call, whichever it is.
    pub fn plan_next(&self, fate: Fate) {
        locked(&self.planned).push((None, fate));
    }

    /// The names of all calls so far.
    pub fn calls(&self) -> Vec<&'static str> {
        locked(&self.calls).clone()
    }

    /// The name of the call before which a caller has stopped last.
    pub fn stopped_at(&self) -> Option<&'static str> {
        *locked(&self.stopped_at)
    }

    pub(crate) async fn pass<T>(&self, call: &'static str, effect: impl FnOnce() -> T) -> Result<T, PortError> {
        if self.stepwise {
            *locked(&self.stopped_at) = Some(call);
            stop_once().await;
        }
        locked(&self.calls).push(call);
        let failure = || PortError::new(call, "a planned fault");
        match self.fate(call) {
            Fate::Works => Ok(effect()),
            Fate::FailsBefore => Err(failure()),
            Fate::FailsAfter => {
                effect();
                Err(failure())
            }
        }
    }

    fn fate(&self, call: &'static str) -> Fate {
        let mut planned = locked(&self.planned);
        let place = planned.iter().position(|(name, _)| name.is_none_or(|name| name == call));
        place.map_or(Fate::Works, |place| planned.remove(place).1)
    }
}

async fn stop_once() {
    let mut stopped = false;
    poll_fn(|_| if std::mem::replace(&mut stopped, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

/// A panicking test has failed already: what it held is still good to look at.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A copy of what is behind a port, which goes its own way from here.
fn forked<T: Clone>(held: &Mutex<T>) -> Arc<Mutex<T>> {
    Arc::new(Mutex::new(locked(held).clone()))
}

/// A clock that stands still until it is moved.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<Mutex<Timestamp>>);

impl ManualClock {
    /// A clock that shows this moment.
    pub fn at(now: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(now)))
    }

    /// Moves it.
    pub fn advance(&self, by: SignedDuration) {
        *locked(&self.0) += by;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *locked(&self.0)
    }
}

/// Bodies by bucket and key.
type Buckets = BTreeMap<(String, String), Vec<u8>>;

/// Stored objects.
#[derive(Debug, Clone, Default)]
pub struct MemoryObjects {
    gate: Arc<Gate>,
    objects: Arc<Mutex<Buckets>>,
}

impl MemoryObjects {
    /// An empty store behind this gate.
    pub fn behind(gate: &Arc<Gate>) -> Self {
        Self { gate: Arc::clone(gate), ..Self::default() }
    }

    /// What lies there, without passing the gate.
    pub fn stored(&self, uri: &ObjectUri) -> Option<Vec<u8>> {
        locked(&self.objects).get(&(uri.bucket().to_owned(), uri.key().to_owned())).cloned()
    }

    /// Puts an object there without passing the gate.
    pub fn put(&self, uri: &ObjectUri, body: impl Into<Vec<u8>>) {
        locked(&self.objects).insert((uri.bucket().to_owned(), uri.key().to_owned()), body.into());
    }
}

/// The entity tag of an object in memory.
fn etag_of(body: &[u8]) -> String {
    hex(&Sha256::digest(body)[..16])
}

impl Deliveries for MemoryObjects {
    async fn read_listed(&self, uri: &ObjectUri, etag: &str) -> Result<Option<Vec<u8>>, PortError> {
        self.gate.pass("Deliveries.read_listed", || self.stored(uri).filter(|body| etag_of(body) == etag)).await
    }

    async fn copy_listed(&self, uri: &ObjectUri, etag: &str, to: &ObjectUri) -> Result<Copied, PortError> {
        let copy = || match self.stored(uri).filter(|body| etag_of(body) == etag) {
            Some(body) => {
                self.put(to, body);
                Copied::Copied
            }
            None => Copied::Changed,
        };
        self.gate.pass("Deliveries.copy_listed", copy).await
    }

    async fn remove_listed(&self, uri: &ObjectUri, etag: &str) -> Result<(), PortError> {
        let remove = || {
            if self.stored(uri).is_some_and(|body| etag_of(&body) == etag) {
                locked(&self.objects).remove(&(uri.bucket().to_owned(), uri.key().to_owned()));
            }
        };
        self.gate.pass("Deliveries.remove_listed", remove).await
    }
}

impl Objects for MemoryObjects {
    async fn read(&self, uri: &ObjectUri) -> Result<Option<Vec<u8>>, PortError> {
        let place = (uri.bucket().to_owned(), uri.key().to_owned());
        self.gate.pass("Objects.read", || locked(&self.objects).get(&place).cloned()).await
    }

    async fn write(&self, uri: &ObjectUri, _content_type: &str, body: Vec<u8>) -> Result<(), PortError> {
        self.gate.pass("Objects.write", || self.put(uri, body)).await
    }

    async fn list(&self, prefix: &ObjectUri) -> Result<Vec<ObjectEntry>, PortError> {
        let entry = |key: &str, body: &[u8]| ObjectEntry { key: key.to_owned(), size: body.len() as u64, etag: etag_of(body) };
        let listing = || {
            let objects = locked(&self.objects);
            let below = objects.iter().filter(|((bucket, key), _)| bucket == prefix.bucket() && key.starts_with(prefix.key()));
            below.map(|((_, key), body)| entry(key, body)).collect()
        };
        self.gate.pass("Objects.list", listing).await
    }
}

/// The stored questions.
#[derive(Debug, Clone, Default)]
pub struct MemoryApprovals {
    gate: Arc<Gate>,
    records: Arc<Mutex<BTreeMap<ApprovalId, Approval>>>,
}

impl MemoryApprovals {
    /// An empty store behind this gate.
    pub fn behind(gate: &Arc<Gate>) -> Self {
        Self { gate: Arc::clone(gate), ..Self::default() }
    }

    /// What the definition's `ExpireApproval` writes, unless somebody has decided. Answers with the record as it then is.
    pub fn expire(&self, id: &ApprovalId, at: Timestamp) -> Option<Approval> {
        let mut records = locked(&self.records);
        let record = records.get_mut(id)?;
        if record.status == ApprovalStatus::Pending {
            record.status = ApprovalStatus::Expired { at };
        }
        Some(record.clone())
    }

    /// The record, without passing the gate.
    pub fn stored(&self, id: &ApprovalId) -> Option<Approval> {
        locked(&self.records).get(id).cloned()
    }
}

impl Approvals for MemoryApprovals {
    async fn read(&self, id: &ApprovalId) -> Result<Option<Approval>, PortError> {
        self.gate.pass("Approvals.read", || self.stored(id)).await
    }

    async fn replace(&self, seen: Option<&Approval>, next: &Approval) -> Result<Replaced, PortError> {
        let conditional_write = || {
            let mut records = locked(&self.records);
            let stored = records.get(&next.id);
            let unchanged = match (seen, stored) {
                (None, None) => true,
                (Some(seen), Some(stored)) => seen.revision == stored.revision && seen.status.name() == stored.status.name(),
                _ => false,
            };
            if stored == Some(next) {
                return Replaced::Stored;
            }
            if !unchanged {
                return Replaced::Lost(stored.cloned().map(Box::new));
            }
            records.insert(next.id.clone(), next.clone());
            Replaced::Stored
        };
        self.gate.pass("Approvals.replace", conditional_write).await
    }
}

/// What became of a waiting task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wait {
    /// It waits, and was beaten for so often.
    Waiting(u32),
    /// It has its answer.
    Answered(String),
    /// Its clock ran out, or it was stopped.
    Over,
}

/// Tasks that wait.
#[derive(Debug, Clone, Default)]
pub struct MemoryTasks {
    gate: Arc<Gate>,
    waits: Arc<Mutex<BTreeMap<String, Wait>>>,
}

impl MemoryTasks {
    /// No task waits yet.
    pub fn behind(gate: &Arc<Gate>) -> Self {
        Self { gate: Arc::clone(gate), ..Self::default() }
    }

    /// A task begins to wait.
    pub fn wait(&self, token: &TaskToken) {
        locked(&self.waits).insert(token.expose().to_owned(), Wait::Waiting(0));
    }

    /// A task stops waiting, unless it has its answer.
    pub fn time_out(&self, token: &TaskToken) {
        if let Some(wait @ Wait::Waiting(_)) = locked(&self.waits).get_mut(token.expose()) {
            *wait = Wait::Over;
        }
    }

    /// What became of it.
    pub fn outcome(&self, token: &TaskToken) -> Option<Wait> {
        locked(&self.waits).get(token.expose()).cloned()
    }

    fn close(&self, token: &TaskToken, close: impl FnOnce(u32) -> Wait) -> TaskAnswer {
        match locked(&self.waits).get_mut(token.expose()) {
            Some(wait) => match wait {
                Wait::Waiting(beats) => {
                    *wait = close(*beats);
                    TaskAnswer::Accepted
                }
                Wait::Answered(_) | Wait::Over => TaskAnswer::Closed,
            },
            None => TaskAnswer::Closed,
        }
    }
}

impl Tasks for MemoryTasks {
    async fn succeed(&self, token: &TaskToken, output: &str) -> Result<TaskAnswer, PortError> {
        self.gate.pass("Tasks.succeed", || self.close(token, |_| Wait::Answered(output.to_owned()))).await
    }

    async fn beat(&self, token: &TaskToken) -> Result<TaskAnswer, PortError> {
        self.gate.pass("Tasks.beat", || self.close(token, |beats| Wait::Waiting(beats + 1))).await
    }
}

/// Executions that run until they are said to have ended.
#[derive(Debug, Clone, Default)]
pub struct MemoryExecutions {
    gate: Arc<Gate>,
    ended: Arc<Mutex<BTreeMap<String, ExecutionEnd>>>,
}

impl MemoryExecutions {
    /// Every execution runs.
    pub fn behind(gate: &Arc<Gate>) -> Self {
        Self { gate: Arc::clone(gate), ..Self::default() }
    }

    /// This one has ended.
    pub fn end_with(&self, execution_arn: &str, end: ExecutionEnd) {
        locked(&self.ended).insert(execution_arn.to_owned(), end);
    }
}

impl Executions for MemoryExecutions {
    async fn end(&self, execution_arn: &str) -> Result<Option<ExecutionEnd>, PortError> {
        self.gate.pass("Executions.end", || locked(&self.ended).get(execution_arn).cloned()).await
    }
}

/// Chains of what happened.
#[derive(Debug, Clone, Default)]
pub struct MemoryAudit {
    gate: Arc<Gate>,
    chains: Arc<Mutex<BTreeMap<ApprovalId, Vec<Entry>>>>,
}

impl MemoryAudit {
    /// Nothing has happened yet.
    pub fn behind(gate: &Arc<Gate>) -> Self {
        Self { gate: Arc::clone(gate), ..Self::default() }
    }

    /// Every chain, without passing the gate.
    pub fn chains(&self) -> Vec<Vec<Entry>> {
        locked(&self.chains).values().cloned().collect()
    }

    /// The chain of a question, without passing the gate.
    pub fn chain(&self, approval: &ApprovalId) -> Vec<Entry> {
        locked(&self.chains).get(approval).cloned().unwrap_or_default()
    }
}

impl Audit for MemoryAudit {
    async fn entries(&self, approval: &ApprovalId) -> Result<Vec<Entry>, PortError> {
        self.gate.pass("Audit.entries", || self.chain(approval)).await
    }

    async fn append(&self, entry: &Entry) -> Result<Appended, PortError> {
        let append = || {
            let mut chains = locked(&self.chains);
            let chain = chains.entry(entry.approval.clone()).or_default();
            match chain.iter().find(|stored| stored.sequence == entry.sequence) {
                Some(stored) if stored == entry => Appended::Stored,
                Some(_) => Appended::Taken,
                None => {
                    chain.push(entry.clone());
                    chain.sort_by_key(|entry| entry.sequence);
                    Appended::Stored
                }
            }
        };
        self.gate.pass("Audit.append", append).await
    }
}

/// A mail that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentMail {
    /// Whom it went to.
    pub to: Address,
    /// Its subject.
    pub subject: String,
    /// Its text.
    pub text: String,
}

/// Mails that were sent.
#[derive(Debug, Clone, Default)]
pub struct MemoryMail {
    gate: Arc<Gate>,
    sent: Arc<Mutex<Vec<SentMail>>>,
}

impl MemoryMail {
    /// No mail is sent yet.
    pub fn behind(gate: &Arc<Gate>) -> Self {
        Self { gate: Arc::clone(gate), ..Self::default() }
    }

    /// Everything that was sent, in order.
    pub fn sent(&self) -> Vec<SentMail> {
        locked(&self.sent).clone()
    }
}

impl Mail for MemoryMail {
    async fn send(&self, to: &Address, subject: &str, text: &str) -> Result<(), PortError> {
        let mail = SentMail { to: to.clone(), subject: subject.to_owned(), text: text.to_owned() };
        self.gate.pass("Mail.send", || locked(&self.sent).push(mail)).await
    }
}

/// A mailing list that keeps what was sent: subject and text.
#[derive(Debug, Clone, Default)]
pub struct MemoryMailingList {
    gate: Arc<Gate>,
    sent: Arc<Mutex<Vec<(String, String)>>>,
}

impl MemoryMailingList {
    /// No mail is sent yet.
    pub fn behind(gate: &Arc<Gate>) -> Self {
        Self { gate: Arc::clone(gate), ..Self::default() }
    }

    /// Everything that was sent, in order: subject and text.
    pub fn sent(&self) -> Vec<(String, String)> {
        locked(&self.sent).clone()
    }
}

impl MailingList for MemoryMailingList {
    async fn mail(&self, subject: &str, text: &str) -> Result<(), PortError> {
        self.gate.pass("MailingList.mail", || locked(&self.sent).push((subject.to_owned(), text.to_owned()))).await
    }
}

/// Watches that were begun and have not ended.
#[derive(Debug, Clone, Default)]
pub struct MemoryWatches {
    gate: Arc<Gate>,
    begun: Arc<Mutex<Vec<(Watch, Timestamp)>>>,
}

impl MemoryWatches {
    /// Nothing is watched yet.
    pub fn behind(gate: &Arc<Gate>) -> Self {
        Self { gate: Arc::clone(gate), ..Self::default() }
    }

    /// What is being watched, and until when at the latest.
    pub fn begun(&self) -> Vec<(Watch, Timestamp)> {
        locked(&self.begun).clone()
    }
}

impl Watches for MemoryWatches {
    async fn begin(&self, watch: &Watch, until: Timestamp) -> Result<(), PortError> {
        let begin = || {
            let mut begun = locked(&self.begun);
            if !begun.iter().any(|(known, _)| known == watch) {
                begun.push((watch.clone(), until));
            }
        };
        self.gate.pass("Watches.begin", begin).await
    }

    async fn end(&self, watch: &Watch) -> Result<(), PortError> {
        self.gate.pass("Watches.end", || locked(&self.begun).retain(|(known, _)| known != watch)).await
    }
}

/// Secrets that a test can foresee: the first is made of ones, the second of twos.
#[derive(Debug, Clone, Default)]
pub struct CountedSecrets(Arc<Mutex<u8>>);

impl CountedSecrets {
    /// Counts on from this number.
    pub fn starting_after(count: u8) -> Self {
        Self(Arc::new(Mutex::new(count)))
    }
}

impl Secrets for CountedSecrets {
    fn secret(&self) -> Result<Secret, PortError> {
        let mut count = locked(&self.0);
        *count += 1;
        Ok(Secret::new([*count; 32]))
    }
}

/// A desk in memory, every port of it behind one gate.
#[derive(Debug, Clone)]
pub struct MemoryDesk {
    /// Every call passes through it.
    pub gate: Arc<Gate>,
    /// The records.
    pub approvals: MemoryApprovals,
    /// The waiting tasks.
    pub tasks: MemoryTasks,
    /// The executions that they belong to.
    pub executions: MemoryExecutions,
    /// The schedules that watch over questions.
    pub watches: MemoryWatches,
    /// The way to the approvers.
    pub mail: MemoryMail,
    /// The way to everybody who wants to know.
    pub channel: Option<MemoryChannel>,
    /// What happened.
    pub audit: MemoryAudit,
    /// New links' secrets.
    pub secrets: CountedSecrets,
    /// The time.
    pub clock: ManualClock,
}

impl MemoryDesk {
    /// A copy of this world that goes its own way from here, behind a gate of its own at which nobody stops and nothing is planned.
    #[must_use]
    pub fn fork(&self) -> Self {
        let gate = Arc::new(Gate::default());
        Self {
            approvals: MemoryApprovals { records: forked(&self.approvals.records), gate: Arc::clone(&gate) },
            tasks: MemoryTasks { waits: forked(&self.tasks.waits), gate: Arc::clone(&gate) },
            executions: MemoryExecutions { ended: forked(&self.executions.ended), gate: Arc::clone(&gate) },
            watches: MemoryWatches { begun: forked(&self.watches.begun), gate: Arc::clone(&gate) },
            mail: MemoryMail { sent: forked(&self.mail.sent), gate: Arc::clone(&gate) },
            channel: self.channel.as_ref().map(MemoryChannel::fork),
            audit: MemoryAudit { chains: forked(&self.audit.chains), gate: Arc::clone(&gate) },
            secrets: CountedSecrets(forked(&self.secrets.0)),
            clock: ManualClock(forked(&self.clock.0)),
            gate,
        }
    }

    /// An empty desk at this moment, with a channel whose messages can be changed.
    pub fn behind(gate: Gate, now: Timestamp) -> Self {
        let gate = Arc::new(gate);
        Self {
            approvals: MemoryApprovals::behind(&gate),
            tasks: MemoryTasks::behind(&gate),
            executions: MemoryExecutions::behind(&gate),
            watches: MemoryWatches::behind(&gate),
            mail: MemoryMail::behind(&gate),
            channel: Some(MemoryChannel::default()),
            audit: MemoryAudit::behind(&gate),
            // Contract's people have the first ones.
            secrets: CountedSecrets::starting_after(100),
            clock: ManualClock::at(now),
            gate,
        }
    }
}

impl Desk for MemoryDesk {
    type Approvals = MemoryApprovals;
    type Tasks = MemoryTasks;
    type Executions = MemoryExecutions;
    type Watches = MemoryWatches;
    type Mail = MemoryMail;
    type Channel = MemoryChannel;
    type Audit = MemoryAudit;
    type Secrets = CountedSecrets;
    type Clock = ManualClock;

    fn approvals(&self) -> &MemoryApprovals {
        &self.approvals
    }

    fn tasks(&self) -> &MemoryTasks {
        &self.tasks
    }

    fn executions(&self) -> &MemoryExecutions {
        &self.executions
    }

    fn watches(&self) -> &MemoryWatches {
        &self.watches
    }

    fn mail(&self) -> &MemoryMail {
        &self.mail
    }

    fn channel(&self) -> Option<&MemoryChannel> {
        self.channel.as_ref()
    }

    fn audit(&self) -> &MemoryAudit {
        &self.audit
    }

    fn secrets(&self) -> &CountedSecrets {
        &self.secrets
    }

    fn clock(&self) -> &ManualClock {
        &self.clock
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nights::{MemoryNights, Row};

    #[tokio::test]
    async fn the_audit_keeps_its_contract() {
        contract::audit(&MemoryAudit::default(), "memory").await;
    }

    #[tokio::test]
    async fn the_registry_keeps_its_contract() {
        let nights = MemoryNights::default();
        contract::nights(&nights, async |run_date, claim| {
            let row = Row {
                owner: claim.owner.to_owned(),
                status: claim.status.to_owned(),
                published_at: claim.published_at,
                ended_at: None,
                error: None,
            };
            nights.put(run_date, row);
        })
        .await;
        contract::notices(&nights, "memory").await;
    }

    #[tokio::test]
    async fn the_store_keeps_its_contract() {
        let store = MemoryApprovals::default();
        let at = Timestamp::UNIX_EPOCH;
        contract::approvals(&store, "memory", async |id| {
            store.expire(id, at).is_some_and(|record| record.status == ApprovalStatus::Expired { at })
        })
        .await;
    }
}
