//! JSONata expressions (`{% … %}`) and the templates that hold them, with the functions that Step Functions adds.

use std::rc::Rc;

use serde_json::Value;

use crate::context::{Fault, Scope};
use crate::value::Json;

/// What a field's value has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    Array,
    Boolean,
    Integer,
    Number,
    String,
}

/// A field's value with every expression in it compiled once; what holds no expression is kept as it is.
pub(crate) struct Query {}

impl Query {
    /// `field` is where the value stands, such as `Output`; expressions deeper inside are told as `Output/result`.
    pub(crate) fn compile(_value: &Value, _field: &str) -> Result<Self, String> {
        todo!()
    }

    /// Whether there is an expression in it.
    pub(crate) fn is_dynamic(&self) -> bool {
        todo!()
    }

    pub(crate) fn evaluate(&self, _scope: &Scope<'_>) -> Result<Json, Fault> {
        todo!()
    }

    /// The same, with a fault where the value is of another type.
    pub(crate) fn typed(&self, _scope: &Scope<'_>, _expected: Expected) -> Result<Json, Fault> {
        todo!()
    }

    /// An `Assign`: its top-level names with their values, all from the scope as it was before.
    pub(crate) fn assign(&self, _scope: &Scope<'_>) -> Result<Vec<(Rc<str>, Json)>, Fault> {
        todo!()
    }
}
