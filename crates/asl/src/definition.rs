//! A definition, read and ready to run.

use std::rc::Rc;

use serde_json::Value;

use crate::check::{Finding, Kind};

/// A definition that was checked and is ready to run.
#[derive(Clone)]
pub struct Machine(pub(crate) Rc<Flow>);

impl Machine {
    /// Reads a definition; gives what is wrong with it otherwise.
    pub fn load(_definition: &Value, _kind: Kind) -> Result<Self, Vec<Finding>> {
        todo!()
    }
}

pub(crate) struct Flow {}

/// What a Task calls, from its `Resource`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// The whole ARN.
    pub arn: String,
    /// What the history calls the resource type: `lambda`, `glue`, `aws-sdk:s3`; empty for a function's own ARN.
    pub service: String,
    /// What the history calls the resource: `invoke`, `startJobRun.sync`; the ARN for a function's own.
    pub action: String,
    /// When the task is over.
    pub pattern: Pattern,
}

/// When a task is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pattern {
    /// When the call has answered.
    RequestResponse,
    /// When the job that the call started is over (`.sync`, `.sync:2`).
    Sync,
    /// When somebody sends the task token back (`.waitForTaskToken`).
    TaskToken,
}
