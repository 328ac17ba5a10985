//! What happened in an execution.

use serde::Deserialize;
use serde_json::{Value, json};

use super::executions::unknown;
use super::machines::with_token;
use super::pages::page;
use crate::executions::StepFunctions;
use crate::refusal::Refusal;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct History {
    execution_arn: String,
    max_results: Option<usize>,
    next_token: Option<String>,
    #[serde(default)]
    reverse_order: bool,
    #[serde(default = "included")]
    include_execution_data: bool,
}

impl StepFunctions {
    pub(super) fn execution_history(&self, request: History) -> Result<Value, Refusal> {
        let arn = &request.execution_arn;
        let list = format!("{arn} {} {}", request.reverse_order, request.include_execution_data);
        let answer = self.look(arn, |run| {
            let events = run.execution.history();
            let page = page(&list, events.len(), request.max_results, request.next_token.as_deref())?;
            let place = |index: usize| if request.reverse_order { page.of - 1 - index } else { index };
            let mut told: Vec<_> = page.range.clone().map(|index| events[place(index)].json()).collect();
            if !request.include_execution_data {
                told.iter_mut().for_each(leave_out_data);
            }
            Ok(with_token(json!({"events": told}), page.next_token))
        });
        answer.ok_or_else(unknown(arn))?
    }
}

/// "You can select whether execution data (input or output of a history event) is returned."
fn leave_out_data(event: &mut Value) {
    let fields = event.as_object_mut().into_iter().flatten();
    for details in fields.filter(|(name, _)| name.ends_with("EventDetails")).filter_map(|(_, details)| details.as_object_mut()) {
        for data in ["input", "output"] {
            details.remove(data);
        }
    }
}

fn included() -> bool {
    true
}
