//! Paths (`$.orders[0]`, `$$.Execution.Id`, `$variable.field`), as AWS reads them (Jayway JsonPath).

use serde_json::Value;

use crate::context::{Fault, Scope};
use crate::value::Json;

/// A path that was read.
#[derive(Debug, Clone)]
pub(crate) struct Path {}

impl Path {
    pub(crate) fn parse(_text: &str) -> Result<Self, String> {
        todo!()
    }

    /// What stands there.
    pub(crate) fn evaluate(&self, _scope: &Scope<'_>) -> Result<Json, Fault> {
        todo!()
    }

    /// The same over a bare value (`OutputPath` over an output, `ResultSelector` over a result go through `Scope::input`).
    /// Puts a value where a reference path (`ResultPath`) points, making the objects on the way.
    pub(crate) fn put(&self, _into: &Value, _value: &Value) -> Result<Value, Fault> {
        todo!()
    }

    /// Only names and indices, from the input: what `ResultPath` and others demand.
    pub(crate) fn is_reference(&self) -> bool {
        todo!()
    }
}
