//! What many nights came to, as a page and on a terminal. The same seeds give the same bytes.

mod axis;
mod page;
mod svg;
mod terminal;
pub mod text;

use nightly_rehearsal::Night;

pub use page::page;
pub use terminal::terminal;

use crate::price::Prices;
use crate::sums::Sums;

/// Everything that a report is made of.
pub struct Report<'a> {
    /// What was rehearsed, such as `nightly-warehouse`.
    pub name: &'a str,
    /// The first seed.
    pub seed: u64,
    /// How the rehearsal was called, without the nights: a seed behind ` --replay ` gives one of them.
    pub command: &'a str,
    /// What they came to.
    pub sums: &'a Sums,
    /// The worst of them.
    pub worst: Option<&'a Night>,
    /// What AWS would take.
    pub prices: Prices,
}

impl Report<'_> {
    /// What shows one night.
    pub fn replay(&self, seed: u64) -> String {
        format!("{} --replay {seed}", self.command)
    }
}
