//! A function's line to the world: every call of its ports goes down it, and waits there until somebody answers.
//!
//! So a call can be late, fail with or without its effect, or never be answered; and a function whose future is dropped has crashed, wherever
//! it stood.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use jiff::Timestamp;
use nightly_domain::link::Secret;
use nightly_domain::memory::calls::{Answering, ByCalls, Call, Reply};

use crate::chance::Chance;

/// All ports of a function, at the end of its line.
pub(crate) type Ports = ByCalls<Line>;

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
    pub(crate) fn reply(&self, number: u32, reply: Reply, now: Timestamp) {
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
}

impl Answering for Line {
    async fn answer(&self, call: Call) -> Reply {
        let mut call = Some(call);
        let mut number = 0;
        std::future::poll_fn(|context| {
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
        })
        .await
    }

    fn secret(&self) -> Secret {
        let mut wire = self.wire();
        let mut bytes = [0; 32];
        for part in bytes.chunks_exact_mut(8) {
            part.copy_from_slice(&wire.secrets.bits().to_le_bytes());
        }
        Secret::new(bytes)
    }

    fn now(&self) -> Timestamp {
        self.wire().now
    }
}
