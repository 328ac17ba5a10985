//! Rehearses nights in virtual time, and reports what came of them. `cargo xtask rehearse` runs it.

pub mod brought;
pub mod histogram;
pub mod price;
pub mod replay;
pub mod report;
pub mod run;
pub mod sums;
pub mod tasks;

#[cfg(test)]
mod tests;
