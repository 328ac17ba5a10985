//! Rehearses nights in virtual time, and reports what came of them. `cargo xtask rehearse` runs it.

pub mod chance;
pub mod tasks;
