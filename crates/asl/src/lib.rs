//! Amazon States Language: definitions are checked, loaded and executed as AWS Step Functions does it, without any I/O.
//!
//! [`check`] says what is wrong with a definition; [`Machine::load`] makes it executable; an [`Execution`] is a value that
//! is told what happens ([`Stimulus`]: a task ended, a timer is due, somebody stops it) and says what it wants next
//! ([`Command`]: start a task, wake me at an instant). Whoever holds it brings the clock and the tasks: a rehearsal brings
//! virtual time, the local Step Functions the wall clock.
//!
//! An execution is a function of its definition, its [`Start`] and the stimuli with their instants, in their order: applied
//! again, they give the same history, byte for byte. That is how executions survive a restart.

pub mod check;
mod choice;
mod context;
mod definition;
mod digest;
mod execution;
mod history;
mod intrinsics;
mod jsonata;
mod jsonpath;
mod order;
mod payload;
mod random;
pub mod test_state;
#[cfg(test)]
mod testing;
mod value;

pub use definition::{Machine, Pattern, Resource};
pub use execution::{Closed, Command, Execution, Identity, Start, Status, Stimulus, Task, TaskId, TimerId};
pub use history::{Call, Detail, Event};
pub use value::{Failure, Instant, Json};
