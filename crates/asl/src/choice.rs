//! JSONPath choice rules: comparison operators, `And`, `Or`, `Not`.

use serde_json::Value;

use crate::context::{Fault, Scope};

/// A rule's condition that was read; `Next` and `Assign` are not its business.
#[derive(Debug, Clone)]
pub(crate) struct Comparison {}

impl Comparison {
    pub(crate) fn compile(_rule: &Value) -> Result<Self, String> {
        todo!()
    }

    pub(crate) fn matches(&self, _scope: &Scope<'_>) -> Result<bool, Fault> {
        todo!()
    }
}
