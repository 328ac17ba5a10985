//! Intrinsic functions (`States.Format('{}', $.name)`), as the Amazon States Language and AWS's developer guide define them.

use crate::context::{Fault, Scope};
use crate::value::Json;

/// A call that was read.
#[derive(Debug, Clone)]
pub(crate) struct Intrinsic {}

impl Intrinsic {
    pub(crate) fn parse(_text: &str) -> Result<Self, String> {
        todo!()
    }

    pub(crate) fn evaluate(&self, _scope: &Scope<'_>) -> Result<Json, Fault> {
        todo!()
    }
}
