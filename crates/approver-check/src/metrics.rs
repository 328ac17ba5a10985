//! Figures for `CloudWatch`, which reads them from a line of the log: "Specification: Embedded metric format" in its user guide.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::Reach;

const NAMESPACE: &str = "NightlyWarehouse";

pub(crate) fn line(reach: &Reach<'_>, environment: &str, at: Timestamp) -> Value {
    let unreachable = reach.unreachable().count();
    let metric = |name| json!({"Name": name, "Unit": "Count"});
    json!({
        "_aws": {
            "Timestamp": at.as_millisecond(),
            "CloudWatchMetrics": [{
                "Namespace": NAMESPACE,
                "Dimensions": [["Environment"]],
                "Metrics": [metric("UnreachableApprovers"), metric("ReachableApprovers")],
            }],
        },
        "Environment": environment,
        "UnreachableApprovers": unreachable,
        "ReachableApprovers": reach.people() - unreachable,
    })
}
