//! Scopes for unit tests.

use serde_json::json;

use crate::context::{Context, Scope, Variables};
use crate::random::Random;
use crate::value::Json;

/// Asks in a scope with this input, `$$.Execution.Input.from` and a variable `$answer`.
pub(crate) fn scope<Answer>(input: &Json, ask: impl FnOnce(&Scope<'_>) -> Answer) -> Answer {
    let mut variables = Variables::default();
    variables.assign(&[("answer".into(), json!({"number": 42, "list": [1, 2]}).into())]);
    let make = || json!({"Execution": {"Input": {"from": "execution"}}});
    ask(&Scope {
        input,
        context: &Context::with_fields(&make, &|_, _| None),
        result: None,
        error_output: None,
        variables: &variables,
        random: &Random::new(1, &[]),
        now: crate::value::Instant(0),
    })
}
