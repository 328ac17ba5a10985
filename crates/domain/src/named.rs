//! Errors whose names are API: Retry and Catch match on them, and the runbook has a page for each.

/// An error with the fixed name that the definition and the runbook know it by.
pub trait Named: std::error::Error {
    /// The name, such as `RatesUnavailable`.
    fn name(&self) -> &'static str;
}
