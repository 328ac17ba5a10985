//! JSONata expressions (`{% … %}`) and the templates that hold them, with the functions that Step Functions adds.

use std::fmt;
use std::rc::Rc;

use serde_json::Value;

use crate::context::{Fault, Scope};
use crate::value::Json;

/// A field's value with every expression in it compiled once; what holds no expression is kept as it is.
pub(crate) struct Query {}

impl Query {
    /// `field` is where the value stands, such as `Output`; expressions deeper inside are told as `Output/result`.
    pub(crate) fn compile(_value: &Value, _field: &str) -> Result<Self, Refusal> {
        todo!()
    }

    /// Whether there is an expression in it.
    pub(crate) fn is_dynamic(&self) -> bool {
        todo!()
    }

    pub(crate) fn evaluate(&self, _scope: &Scope<'_>) -> Result<Json, Fault> {
        todo!()
    }

    /// Evaluates a field that must be of one kind, such as a Map's `Items`; what is no expression was checked at load.
    pub(crate) fn typed(&self, _scope: &Scope<'_>, _expected: Expected) -> Result<Json, Fault> {
        todo!()
    }

    /// An `Assign`: its top-level names with their values, all from the scope as it was before.
    pub(crate) fn assign(&self, _scope: &Scope<'_>) -> Result<Vec<(Rc<str>, Json)>, Fault> {
        todo!()
    }
}

/// What a field's value must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    Array,
    Boolean,
    Integer,
    Number,
    Object,
    String,
}

/// Why a definition with this expression is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Where the expression stands, such as `Output/result`.
    pub(crate) location: String,
    /// `INVALID_JSONATA_EXPRESSION` or `UNSUPPORTED_JSONATA_EXPRESSION`, as Step Functions names it.
    pub(crate) code: &'static str,
    /// Why, in Step Functions' words.
    pub(crate) message: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {} at {}", self.code, self.message, self.location)
    }
}
