//! Figures for `CloudWatch`, which reads them from a line of the log: "Specification: Embedded metric format" in its user guide.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{Milestone, Report};

const NAMESPACE: &str = "NightlyWarehouse";

pub(crate) fn line(report: &Report, environment: &str, at: Timestamp) -> Value {
    let late = |milestone| u8::from(report.late.contains(&milestone));
    let metrics = ["LateStarts", "LateQuestions", "LatePublications", "UnreachableQuestions"];
    json!({
        "_aws": {
            "Timestamp": at.as_millisecond(),
            "CloudWatchMetrics": [{
                "Namespace": NAMESPACE,
                "Dimensions": [["Environment"]],
                "Metrics": metrics.map(|name| json!({"Name": name, "Unit": "Count"})),
            }],
        },
        "Environment": environment,
        "RunDate": report.run_date,
        "LateStarts": late(Milestone::Started),
        "LateQuestions": late(Milestone::Asked),
        "LatePublications": late(Milestone::Published),
        "UnreachableQuestions": u8::from(report.nobody_to_answer),
    })
}
