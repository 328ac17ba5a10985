//! Where we and AWS's recordings part, and why that is right.

/// Answers that may disagree.
pub struct Exception {
    /// What their ids contain.
    pub answers: &'static str,
    /// Why they can't or needn't agree.
    pub reason: &'static str,
}

/// None is about a feature that our own definitions use, and one that isn't needed any more fails the test.
pub const EXCEPTIONS: &[Exception] = &[
    Exception {
        answers: "test_timestamp_too_far_in_future_boundary",
        reason: "The recording hides the instant that is waited for in the input itself: `instants` tests it with ours.",
    },
    Exception {
        answers: "test_wait_timestamppath[",
        reason: "The recording hides the instant that is waited for in the input itself: `instants` tests it with ours.",
    },
    Exception {
        answers: "_invoke_with_retry_extended_input",
        reason: "Recorded in October 2023, before AWS could redrive: the context object had no RedriveCount then, and has one in later recordings.",
    },
    Exception {
        answers: "test_base_state_name_validation_failures[empty]",
        reason: "Python's client refused the request before AWS saw it, in words of its own; ours are AWS's.",
    },
];

/// Recordings of executions that still ran when somebody looked.
pub const STILL_RUNNING: &[&str] = &["test_timestamp_too_far_in_future_boundary"];

/// Recordings that stop in the middle, at AWS's own; only what they hold is compared.
pub const CUT_OFF: &[&str] = &["test_max_concurrency_path_negative"];
