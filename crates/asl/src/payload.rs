//! JSONPath payload templates: `Parameters`, `ResultSelector`, `ItemSelector` and `Assign`, whose keys that end in `.$` hold paths and intrinsic functions.

use std::rc::Rc;

use serde_json::Value;

use crate::context::{Fault, Scope};
use crate::value::Json;

/// A template that was read.
#[derive(Debug, Clone)]
pub(crate) struct PathTemplate {}

impl PathTemplate {
    /// `field` is where it stands, such as `Parameters`.
    pub(crate) fn compile(_template: &Value, _field: &str) -> Result<Self, String> {
        todo!()
    }

    pub(crate) fn evaluate(&self, _scope: &Scope<'_>) -> Result<Json, Fault> {
        todo!()
    }

    /// An `Assign`: its top-level names with their values.
    pub(crate) fn assign(&self, _scope: &Scope<'_>) -> Result<Vec<(Rc<str>, Json)>, Fault> {
        todo!()
    }
}
