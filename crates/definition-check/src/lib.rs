//! What is wrong with definitions, for a terminal and for programs.

use std::fmt::Write;

use console::{StyledObject, style};
use nightly_asl::check::{self, Finding, Kind, Severity};
use serde_json::{Value, json};

/// A file, and what was found in it.
pub struct Checked {
    file: String,
    findings: Vec<Finding>,
}

impl Checked {
    /// Checks a definition's text, the worst first.
    pub fn new(file: String, text: &str, kind: Kind) -> Self {
        let mut findings = check::template(text, kind);
        findings.sort_by_key(|finding| finding.severity);
        Self { file, findings }
    }

    /// Whether AWS takes the definition and everything in it does what it says.
    pub fn is_sound(&self) -> bool {
        !self.findings.iter().any(|finding| matches!(finding.severity, Severity::Error | Severity::Fault))
    }
}

/// A line for each finding with what to do below it, and a line that sums up.
pub fn print(checked: &[Checked]) -> String {
    let mut text = String::new();
    for Checked { file, findings } in checked {
        for finding in findings {
            let place = place(finding);
            let reason = finding.message.lines().next().unwrap_or_default();
            writeln!(text, "{} {} {} — {reason}", style(format!("{file}:")).dim(), severity(finding.severity), style(place).bold())
                .expect("a string takes everything");
            writeln!(text, "    {}", style(&finding.hint).dim()).expect("a string takes everything");
        }
    }
    text + &sum(checked) + "\n"
}

/// The same for programs.
pub fn json(checked: &[Checked]) -> Value {
    let findings = |findings: &[Finding]| -> Vec<Value> {
        findings
            .iter()
            .map(|finding| {
                json!({
                    "severity": word(finding.severity), "code": finding.code, "location": finding.location,
                    "message": finding.message, "hint": finding.hint,
                })
            })
            .collect()
    };
    checked
        .iter()
        .map(|checked| json!({"file": checked.file, "sound": checked.is_sound(), "findings": findings(&checked.findings)}))
        .collect()
}

/// Where a finding is, for a person: the whole text that AWS quotes before a line's number is too much.
fn place(finding: &Finding) -> String {
    match finding.location.rsplit_once("; line: ") {
        Some((_, position)) if finding.code == "INVALID_JSON_DESCRIPTION" => {
            format!("line {}", position.trim_end_matches(']').replace("column: ", "column "))
        }
        _ if finding.location.is_empty() => "/".to_owned(),
        _ => finding.location.clone(),
    }
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Unsupported => "unsupported",
        Severity::Fault => "fault",
        Severity::Warning => "warning",
    }
}

fn severity(severity: Severity) -> StyledObject<&'static str> {
    let word = style(word(severity));
    match severity {
        Severity::Error | Severity::Fault => word.red().bold(),
        Severity::Unsupported => word.cyan(),
        Severity::Warning => word.yellow(),
    }
}

fn sum(checked: &[Checked]) -> String {
    let mark = if checked.iter().all(Checked::is_sound) { style("✓").green().bold() } else { style("✗").red().bold() };
    let mut parts = vec![counted(checked.len(), "definition")];
    for (severity, meaning) in [
        (Severity::Error, " that AWS refuses"),
        (Severity::Fault, " that AWS takes and that fail when they are reached"),
        (Severity::Unsupported, " that this engine doesn't run"),
        (Severity::Warning, ""),
    ] {
        let found = checked.iter().flat_map(|checked| &checked.findings).filter(|finding| finding.severity == severity).count();
        if found > 0 {
            let thing = if severity == Severity::Unsupported { "part" } else { word(severity) };
            let verb = if found == 1 { meaning.replace("fail when they are", "fails when it is") } else { meaning.to_owned() };
            parts.push(format!("{}{verb}", counted(found, thing)));
        }
    }
    if parts.len() == 1 {
        parts.push("nothing wrong".to_owned());
    }
    format!("{mark} {}", parts.join(", "))
}

fn counted(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Broken in many ways at once.
    const BROKEN: &str = r#"{
      "Comment": "Pays what was ordered.",
      "QueryLanguage": "JSONata",
      "StartAt": "ReadOrder",
      "TimeoutSecond": 3600,
      "States": {
        "ReadOrder": {
          "Type": "Task",
          "Resource": "arn:aws:states:::dynamodb:getitem",
          "Parameters": {"TableName": "${OrdersTable}", "Key.$": "$.id"},
          "Next": "IsOpen"
        },
        "IsOpen": {
          "Type": "Choice",
          "Choices": [{"Condition": "{% order.status = 'OPEN' %}", "Next": "Ask"}, {"Condition": "{% $total > 10 %}", "Next": "Pay"}]
        },
        "Ask": {
          "Type": "Task",
          "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
          "Arguments": {"QueueUrl": "${Queue}", "MessageBody": "{% $string($states.input %}"},
          "TimeoutSeconds": ${AskSeconds},
          "HeartbeatSeconds": 60,
          "Retry": [{"ErrorEquals": ["States.Al"], "MaxAttempts": 3}, {"ErrorEquals": ["States.ALL", "SQS.SdkClientException"]}],
          "Assign": {"total": "{% $states.result.total %}"},
          "Next": "Payment"
        },
        "Pay": {
          "Type": "Task",
          "Resource": "arn:aws:states:::lambda:invoke",
          "Arguments": {"Function": "${PayFunction}", "Payload": "{% $totall %}"},
          "TimeoutSeconds": 10,
          "HeartbeatSeconds": 10,
          "End": true
        },
        "Collect": {
          "Type": "Map",
          "ItemReader": {"Resource": "arn:aws:states:::s3:getObject"},
          "ItemProcessor": {"StartAt": "One", "States": {"One": {"Type": "Pass", "End": true}}},
          "Next": "Wait"
        },
        "Wait": {"Type": "Wait", "Seconds": "10", "Next": "Wait"}
      }
    }"#;

    #[test]
    fn a_badly_broken_definition_is_told_finding_by_finding() {
        console::set_colors_enabled(false);
        let checked = [Checked::new("pay.asl.json".to_owned(), BROKEN, Kind::Standard)];
        insta::assert_snapshot!(print(&checked));
        assert!(!checked[0].is_sound());
    }

    #[test]
    fn text_that_is_no_json_is_told_with_its_line() {
        console::set_colors_enabled(false);
        let checked = [Checked::new("pay.asl.json".to_owned(), "{\n  \"StartAt\": Pay\n}", Kind::Standard)];
        insta::assert_snapshot!(print(&checked));
    }

    #[test]
    fn programs_get_the_whole_of_it() {
        let text = r#"{"StartAt": "A", "States": {"A": {"Type": "Pass"}}}"#;
        let told = json(&[Checked::new("a.asl.json".to_owned(), text, Kind::Standard)]);
        assert_eq!(told[0]["sound"], false);
        assert_eq!(told[0]["findings"][0]["severity"], "error");
        assert_eq!(told[0]["findings"][0]["location"], "/States/A");
    }

    #[test]
    fn what_only_this_engine_does_not_run_is_no_fault_of_the_definition() {
        let text = r#"{"StartAt": "A", "States": {"A": {"Type": "Task", "TimeoutSeconds": 60, "End": true,
            "Resource": "arn:aws:states:eu-central-1:111111111111:activity:answer"}}}"#;
        let checked = Checked::new("a.asl.json".to_owned(), text, Kind::Standard);
        assert!(checked.is_sound());
        assert!(sum(&[checked]).ends_with("1 definition, 1 part that this engine doesn't run"));
    }
}
