//! Many nights on every core. Each thread has a rehearsal and sums of its own and holds one night at a time.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use nightly_rehearsal::{Night, Rehearsal};
use serde_json::Value;

use crate::brought::{Brought, Trouble};
use crate::sums::Sums;

/// What is rehearsed.
pub enum Stage {
    /// Our own night.
    Warehouse(Rehearsal),
    /// Somebody's definition.
    Brought(Brought),
}

impl Stage {
    /// Plays the night of this seed.
    pub fn night(&self, seed: u64) -> Result<Night, Trouble> {
        match self {
            Self::Warehouse(rehearsal) => Ok(rehearsal.night(seed)),
            Self::Brought(brought) => brought.night(seed),
        }
    }

    /// The definition that is rehearsed.
    pub fn definition(&self) -> Value {
        match self {
            Self::Warehouse(_) => serde_json::from_str(WAREHOUSE).expect("the definition is JSON before substitution, too"),
            Self::Brought(brought) => brought.definition().clone(),
        }
    }
}

/// Our own definition as it is deployed, before substitution: enough for the names of its states.
const WAREHOUSE: &str = include_str!("../../../statemachine/nightly-warehouse.asl.json");

/// So many nights are played between two looks at what the others do.
const CHUNK: u64 = 32;

/// Plays so many nights from the first seed on, and sums them up. `stage` makes a thread's own; `played` hears how many are done.
pub fn run(
    threads: NonZeroUsize,
    first: u64,
    nights: u64,
    stage: impl Fn() -> Stage + Sync,
    played: impl Fn(u64) + Sync,
) -> Result<Sums, Trouble> {
    let next = AtomicU64::new(0);
    let is_over = AtomicBool::new(false);
    let play = || -> Result<Sums, Trouble> {
        let stage = stage();
        let mut sums = Sums::new(&stage.definition());
        while !is_over.load(Ordering::Relaxed) {
            let from = next.fetch_add(CHUNK, Ordering::Relaxed);
            if from >= nights {
                break;
            }
            let to = (from + CHUNK).min(nights);
            for number in from..to {
                match stage.night(first.wrapping_add(number)) {
                    Ok(night) => sums.add(&night),
                    Err(trouble) => {
                        is_over.store(true, Ordering::Relaxed);
                        return Err(trouble);
                    }
                }
            }
            played(to - from);
        }
        Ok(sums)
    };
    thread::scope(|scope| {
        let players: Vec<_> = (0..threads.get()).map(|_| scope.spawn(play)).collect();
        let parts: Vec<_> =
            players.into_iter().map(|player| player.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect();
        let mut parts = parts.into_iter();
        let mut whole = parts.next().expect("there is one thread at least")?;
        for part in parts {
            whole.merge(part?);
        }
        Ok(whole)
    })
}
