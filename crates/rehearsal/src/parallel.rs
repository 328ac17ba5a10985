//! Many nights on several threads. A rehearsal stays on its thread, and so does each night: only what is made of them travels.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::thread;

use crate::{Night, Rehearsal};

/// Plays the nights of these seeds on so many threads, each with a rehearsal and a tally of its own, and gives the tallies in the order of
/// the seeds: the first thread plays the first seeds. Each thread holds one night at a time.
pub fn on_threads<Tally: Send>(
    threads: NonZeroUsize,
    seeds: Range<u64>,
    rehearsal: impl Fn() -> Rehearsal + Sync,
    tally: impl Fn() -> Tally + Sync,
    add: impl Fn(&mut Tally, Night) + Sync,
) -> Vec<Tally> {
    let threads = u64::try_from(threads.get()).unwrap_or(u64::MAX);
    let count = seeds.end.saturating_sub(seeds.start);
    let share = |part: u64| {
        seeds.start + u64::try_from(u128::from(count) * u128::from(part) / u128::from(threads)).expect("a part is no more than the whole")
    };
    let play = |seeds: Range<u64>| {
        let rehearsal = rehearsal();
        let mut tally = tally();
        for seed in seeds {
            add(&mut tally, rehearsal.night(seed));
        }
        tally
    };
    thread::scope(|scope| {
        let play = &play;
        let players: Vec<_> =
            (0..threads).map(|part| (share(part), share(part + 1))).map(|(first, end)| scope.spawn(move || play(first..end))).collect();
        players.into_iter().map(|player| player.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    })
}
