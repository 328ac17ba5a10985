//! A desk whose every call is handed out before it is made: who makes calls here can be stopped, forgotten and begun again at any of them.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use jiff::Timestamp;
use nightly_domain::approval::Approval;
use nightly_domain::link::Secret;
use nightly_domain::memory::calls::{Answering, Call, Reply};

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
}

impl Answering for Stepping {
    async fn answer(&self, call: Call) -> Reply {
        let mut call = Some(call);
        poll_fn(|_| {
            let mut script = self.script();
            if let Some((at, reply)) = script.replies.pop_front() {
                script.now = at;
                return Poll::Ready(reply);
            }
            assert!(script.stopped_before.is_none(), "the handlers make one call at a time");
            script.stopped_before = call.take();
            Poll::Pending
        })
        .await
    }

    fn secret(&self) -> Secret {
        let mut script = self.script();
        script.secrets += 1;
        Secret::new([script.secrets; 32])
    }

    fn now(&self) -> Timestamp {
        self.script().now
    }
}

/// Whether it can change what is decided, or what is done with it. Mails, schedules, the audit and the channel can't, nor can what the
/// record remembers of them.
pub(super) fn decides(call: &Call) -> bool {
    match call {
        Call::Replace(Some(seen), next) => {
            let act = |record: &Approval| {
                let people = record.approvers.iter().map(|person| (person.answer.clone(), person.handed_on.clone())).collect::<Vec<_>>();
                (record.generation, record.status.clone(), record.expires_at, people)
            };
            act(seen) != act(next)
        }
        Call::Replace(None, _) | Call::ReadRecord(_) | Call::Succeed(..) | Call::Beat(_) | Call::ExecutionEnd(_) => true,
        _ => false,
    }
}
