//! Where we and AWS's recordings part, and why that is right.

/// Answers that may disagree.
pub struct Exception {
    /// What their ids contain.
    pub answers: &'static str,
    /// Why they can't or needn't agree.
    pub reason: &'static str,
}

/// Each is shorter than a reader's patience, none is about a feature that our own definitions use, and one that isn't needed fails the test.
pub const EXCEPTIONS: &[Exception] = &[];

/// Recordings that stop before the execution's end; only what they hold is compared.
pub const ENDS_EARLY: &[&str] = &["test_timestamp_too_far_in_future_boundary", "test_max_concurrency_path_negative"];
