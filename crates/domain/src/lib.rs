//! The rules of a night and the ports it needs. No AWS, no clock, no environment, no I/O.

pub mod approval;
pub mod audit;
pub mod channel;
pub mod comparison;
pub mod dataset;
pub mod delivery;
pub mod evidence;
pub mod execution;
pub mod flag;
pub mod history;
pub mod link;
pub mod measured;
#[cfg(any(test, feature = "memory"))]
pub mod memory;
pub mod metrics;
pub mod named;
pub mod night;
pub mod nights;
pub mod object;
pub mod outcome;
pub mod pace;
pub mod people;
pub mod plan;
pub mod ports;
pub mod rates;
pub mod registry;
pub mod run_date;

pub use dataset::{Dataset, DatasetName};
pub use flag::Flag;
pub use named::Named;
pub use night::{Step, StepState};
pub use object::{ObjectEntry, ObjectUri};
pub use outcome::Outcome;
pub use pace::Pace;
pub use plan::{Plan, StepKind};
pub use rates::{CurrencyCode, Rate, RateTable};
pub use run_date::RunDate;
