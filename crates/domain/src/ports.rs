//! What a night needs from the world. A port has two real sides: AWS, and memory.

use std::future::Future;

use jiff::Timestamp;

use crate::{ObjectEntry, ObjectUri};

/// What time it is.
pub trait Clock: Send + Sync {
    /// The current instant.
    fn now(&self) -> Timestamp;
}

/// A call to the world outside failed: the message names the call, the source says why.
#[derive(Debug, thiserror::Error)]
#[error("{call} failed")]
pub struct PortError {
    call: String,
    #[source]
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl PortError {
    /// `call` names the operation and what it was for, such as `GetObject s3://bucket/key`.
    pub fn new(call: impl Into<String>, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { call: call.into(), source: source.into() }
    }
}

/// Stored objects.
pub trait Objects: Send + Sync {
    /// The object's bytes, or `None` where there is none.
    fn read(&self, uri: &ObjectUri) -> impl Future<Output = Result<Option<Vec<u8>>, PortError>> + Send;

    /// Writes the object whole or not at all.
    fn write(&self, uri: &ObjectUri, content_type: &str, body: Vec<u8>) -> impl Future<Output = Result<(), PortError>> + Send;

    /// Every object below the prefix, in the order of the keys.
    fn list(&self, prefix: &ObjectUri) -> impl Future<Output = Result<Vec<ObjectEntry>, PortError>> + Send;
}
