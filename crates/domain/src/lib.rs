//! The rules of a night and the ports it needs. No AWS, no clock, no environment, no I/O.

pub mod named;
pub mod object;
pub mod ports;
pub mod rates;
pub mod run_date;

pub use named::Named;
pub use object::{ObjectEntry, ObjectUri};
pub use rates::{CurrencyCode, Rate, RateTable};
pub use run_date::RunDate;
