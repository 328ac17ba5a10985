//! What `TestState` answered, one state at a time.

use nightly_asl::test_state::{Circumstances, test_state};
use nightly_asl::{Instant, Json};
use serde::Deserialize;
use serde_json::Value;

use crate::agreement::{Disagreement, Names};
use crate::masks::hide_times;
use crate::recording::plain_arns;

/// A state that was tried.
#[derive(Deserialize, Clone)]
pub struct Trial {
    request: Value,
    expected: Value,
}

impl Trial {
    pub fn judge(&self) -> Result<(), Disagreement> {
        let expected = plain_arns(self.expected.clone());
        let mut request = self.request.clone();
        if !request["definition"].is_string() {
            request["definition"] = request["definition"].to_string().into();
        }
        let circumstances = Circumstances { at: Instant(0), region: "us-east-1".into(), account: "111111111111".into(), seed: 7 };
        // Where a real task was called, what it gave is in the answer.
        let result = Json::from(read(expected["inspectionData"].get("result").unwrap_or(&expected["output"]).clone()));
        let answer = test_state(&request, &circumstances, &mut |_| Ok(result.clone()));
        let told = |disagreement: Disagreement| disagreement.note(format!("request: {}", self.request));
        let mut names = Names::default();
        names.any_text = true;
        names.keep(&self.request);
        match (answer, expected["error"].as_str(), expected["message"].as_str()) {
            (Err(refusal), Some(name), Some(message))
                if refusal.name == name && !refusal.message.is_empty() && message.ends_with(&refusal.message) =>
            {
                Ok(())
            }
            (Err(refusal), ..) => Err(told(Disagreement::whole("the answer", expected.to_string(), refusal.to_string()))),
            (Ok(answer), ..) => {
                let (recorded, ours) = (read_all(expected), hide_times(read_all(hide_known(&answer, &self.expected))));
                names.compare(&recorded, &ours).map_err(|difference| told(Disagreement::new("the answer", difference)))
            }
        }
    }
}

/// The answer with its JSON texts read: their spaces mean nothing, their values do.
fn read_all(answer: Value) -> Value {
    let Value::Object(mut fields) = answer else { return answer };
    if let Some(output) = fields.get_mut("output") {
        *output = read(output.take());
    }
    if let Some(Value::Object(data)) = fields.get_mut("inspectionData") {
        data.values_mut().for_each(|value| *value = read(value.take()));
    }
    Value::Object(fields)
}

fn read(value: Value) -> Value {
    match value {
        Value::String(text) => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        other => other,
    }
}

/// A start date without a zone is hidden by a transformer of the test's own.
fn hide_known(answer: &Value, expected: &Value) -> Value {
    if !expected.to_string().contains("\"start-date\"") {
        return answer.clone();
    }
    let mut answer = read_all(answer.clone());
    hide_start_date(&mut answer);
    answer
}

fn hide_start_date(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(hide_start_date),
        Value::Object(fields) => {
            if let Some(date) = fields.get_mut("StartDate") {
                *date = "start-date".into();
            }
            fields.values_mut().for_each(hide_start_date);
        }
        _ => {}
    }
}
