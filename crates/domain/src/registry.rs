//! The run registry as it is read: which execution has claimed a run date, and what came of it.

use jiff::Timestamp;

use crate::RunDate;
use crate::ports::PortError;

/// Reads the `nights` table.
pub trait Registry: Send + Sync {
    /// The row of a run date, or `None` where nobody has claimed it.
    fn night(&self, run_date: RunDate) -> impl Future<Output = Result<Option<Registered>, PortError>> + Send;
}

/// A run date that was claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// The execution that claimed it last.
    pub owner: String,
    /// `RUNNING`, `PUBLISHED`, or how the owner ended.
    pub status: String,
    /// When it was claimed.
    pub claimed_at: Timestamp,
    /// When the warehouse was last given it, by whichever execution.
    pub published_at: Option<Timestamp>,
}

impl Registered {
    /// Whether the warehouse holds the date, whatever became of a build that came after.
    pub fn is_published(&self) -> bool {
        self.owner_published() || self.published_at.is_some()
    }

    /// Whether it was the owner that published it.
    pub fn owner_published(&self) -> bool {
        self.status == "PUBLISHED"
    }
}
