//! What stands behind the ports and the service integrations: tables, buckets, topics, queues, the catalog and the warehouse.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use jiff::Timestamp;
use nightly_asl::Instant;
use nightly_domain::approval::{Approval, ApprovalStatus, Handover};
use nightly_domain::link::ApprovalId;
use nightly_domain::memory::{MemoryApprovals, MemoryAudit};
use nightly_domain::nights::{EndedNight, Medium, MemoryNights, Standing};
use nightly_domain::people::Address;
use nightly_domain::ports::{Approvals as _, Replaced, Watch};
use nightly_domain::{ObjectEntry, ObjectUri};
use serde_json::{Value, json};

use crate::items::Item;

/// Everything that outlives a call.
pub(crate) struct World {
    pub(crate) approvals: MemoryApprovals,
    pub(crate) audit: MemoryAudit,
    pub(crate) objects: Objects,
    pub(crate) watches: Vec<Schedule>,
    pub(crate) letters: Vec<Letter>,
    /// What was told of each ending.
    pub(crate) notices: MemoryNights,
    /// What the stakeholders have heard: when, by which way, and all that it says.
    pub(crate) heard: Vec<(Instant, Medium, String)>,
    /// What stands in the channel.
    pub(crate) posts: Vec<Value>,
    /// Partitions of the catalog, as `<table>/<values>`.
    pub(crate) partitions: BTreeSet<String>,
    pub(crate) messages: Vec<Message>,
    /// What the warehouse holds of each date.
    pub(crate) warehouse: BTreeMap<String, Held>,
    pub(crate) publishings: Vec<Publishing>,
    /// The table of the nights, by date.
    pub(crate) nights: BTreeMap<String, Item>,
    /// Who came to own a night, in order.
    pub(crate) claims: Vec<Claimed>,
    /// How each record stood, and since when.
    pub(crate) standings: Vec<Stood>,
    /// Which forms people have sent.
    pub(crate) presses: Vec<Press>,
}

/// A schedule that calls the watch.
pub(crate) struct Schedule {
    pub(crate) watch: Watch,
    pub(crate) until: Timestamp,
    pub(crate) ended: bool,
}

/// A mail that was taken to be delivered.
pub(crate) struct Letter {
    pub(crate) at: Instant,
    pub(crate) to: Address,
    pub(crate) subject: String,
    pub(crate) path: String,
}

/// A message of the queue of notices.
pub(crate) struct Message {
    pub(crate) body: String,
    pub(crate) received: u32,
    pub(crate) fate: Fate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Waiting,
    DealtWith,
    DeadLetter,
}

/// What the warehouse holds of a date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) run_id: String,
    pub(crate) rows: u64,
    pub(crate) digest: String,
}

/// Somebody writes a date to the warehouse.
#[derive(Debug, Clone)]
pub(crate) struct Publishing {
    pub(crate) run_date: String,
    pub(crate) run_id: String,
    /// Of what is written.
    pub(crate) digest: String,
    pub(crate) began: Instant,
    pub(crate) ended: Option<Instant>,
}

/// A night came to be this execution's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claimed {
    pub(crate) at: Instant,
    pub(crate) run: usize,
}

/// How a record stood from then on.
#[derive(Debug, Clone)]
pub(crate) struct Stood {
    pub(crate) at: Instant,
    pub(crate) id: ApprovalId,
    pub(crate) generation: u32,
    pub(crate) status: &'static str,
    pub(crate) handover: Option<Handed>,
    pub(crate) expires_at: Timestamp,
    pub(crate) approvals: u32,
    /// What an answer was bound to.
    pub(crate) digest: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handed {
    Due,
    Delivered,
    Closed,
}

/// A form that somebody sent.
#[derive(Debug, Clone)]
pub(crate) struct Press {
    pub(crate) at: Instant,
    pub(crate) by: &'static str,
    pub(crate) form: String,
}

impl World {
    pub(crate) fn new(objects: Objects) -> Self {
        Self {
            approvals: MemoryApprovals::default(),
            audit: MemoryAudit::default(),
            objects,
            watches: Vec::new(),
            letters: Vec::new(),
            notices: MemoryNights::default(),
            heard: Vec::new(),
            posts: Vec::new(),
            partitions: BTreeSet::new(),
            messages: Vec::new(),
            warehouse: BTreeMap::new(),
            publishings: Vec::new(),
            nights: BTreeMap::new(),
            claims: Vec::new(),
            standings: Vec::new(),
            presses: Vec::new(),
        }
    }

    /// What a bad end leaves in the night's row, unless the night is another execution's or published.
    pub(crate) fn end_night(&mut self, night: &EndedNight) -> Standing {
        let Some(row) = self.nights.get_mut(&night.run_date.to_string()) else { return Standing::Unclaimed };
        if row["owner"]["S"] != night.owner {
            return Standing::AnothersNight;
        }
        if row["status"]["S"] == "PUBLISHED" {
            let at = row.get("published_at").and_then(|at| at["S"].as_str()?.parse().ok());
            return Standing::Published { at };
        }
        row.insert("status".to_owned(), json!({"S": night.outcome.name()}));
        row.insert("ended_at".to_owned(), json!({"S": night.ended_at.to_string()}));
        match &night.error {
            Some(error) => row.insert("error".to_owned(), json!({"S": error})),
            None => row.remove("error"),
        };
        Standing::Ended
    }

    /// The conditional write of the table of approvals.
    pub(crate) fn replace(&mut self, seen: Option<&Approval>, next: &Approval, now: Instant) -> Replaced {
        let replaced = finish(self.approvals.replace(seen, next)).expect("no fault is planned behind this gate");
        if replaced == Replaced::Stored {
            self.note(next, now);
        }
        replaced
    }

    /// Notes how a record stands now.
    pub(crate) fn note(&mut self, record: &Approval, now: Instant) {
        let handover = match &record.status {
            ApprovalStatus::Decided { handover, .. } => Some(match handover {
                Handover::Due => Handed::Due,
                Handover::Delivered { .. } => Handed::Delivered,
                Handover::Closed { .. } => Handed::Closed,
            }),
            _ => None,
        };
        self.standings.push(Stood {
            at: now,
            id: record.id.clone(),
            generation: record.generation,
            status: record.status.name(),
            handover,
            expires_at: record.expires_at,
            approvals: record.approvals(),
            digest: record.evidence.digest.to_string(),
        });
    }

    /// How the record stood at any moment between the two.
    pub(crate) fn stood<'a>(&'a self, id: &'a ApprovalId, from: Instant, to: Instant) -> impl Iterator<Item = &'a Stood> {
        let of_it = self.standings.iter().filter(move |stood| stood.id == *id);
        let before = of_it.clone().rev().find(|stood| stood.at <= from);
        before.into_iter().chain(of_it.filter(move |stood| stood.at > from && stood.at <= to))
    }
}

/// Objects of all buckets. Bodies are shared, so that many nights can begin with the same ones.
#[derive(Clone, Default)]
pub(crate) struct Objects(BTreeMap<(String, String), Object>);

#[derive(Clone)]
struct Object {
    body: Arc<[u8]>,
    etag: String,
}

impl Objects {
    pub(crate) fn put(&mut self, uri: &ObjectUri, body: impl Into<Arc<[u8]>>) {
        let body: Arc<[u8]> = body.into();
        let etag = etag(&body);
        self.0.insert((uri.bucket().to_owned(), uri.key().to_owned()), Object { body, etag });
    }

    pub(crate) fn read(&self, uri: &ObjectUri) -> Option<Arc<[u8]>> {
        self.0.get(&(uri.bucket().to_owned(), uri.key().to_owned())).map(|object| Arc::clone(&object.body))
    }

    pub(crate) fn list(&self, prefix: &ObjectUri) -> Vec<ObjectEntry> {
        let from = (prefix.bucket().to_owned(), prefix.key().to_owned());
        let below = self.0.range(from..).take_while(|((bucket, key), _)| bucket == prefix.bucket() && key.starts_with(prefix.key()));
        below
            .map(|((_, key), object)| ObjectEntry { key: key.clone(), size: object.body.len() as u64, etag: object.etag.clone() })
            .collect()
    }

    /// What a job does before it overwrites a prefix.
    pub(crate) fn clear(&mut self, prefix: &ObjectUri) {
        for entry in self.list(prefix) {
            self.0.remove(&(prefix.bucket().to_owned(), entry.key));
        }
    }
}

/// Another body, another tag: that is all that anybody asks of it.
fn etag(body: &[u8]) -> String {
    let hash = |seed: u64| body.iter().fold(seed, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{:016x}{:016x}", hash(0xcbf2_9ce4_8422_2325), body.len())
}

/// Ends a call that nothing keeps waiting.
pub(crate) fn finish<Output>(call: impl Future<Output = Output>) -> Output {
    match pin!(call).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("what is in memory answers at once"),
    }
}

pub(crate) fn timestamp(instant: Instant) -> Timestamp {
    Timestamp::from_millisecond(instant.0).expect("a night of our time")
}
