//! Figures for `CloudWatch`, which reads them from a line of the log: "Specification: Embedded metric format" in its user guide.

use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde_json::{Value, json};

const NAMESPACE: &str = "NightlyWarehouse";

/// One figure.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    name: &'static str,
    unit: &'static str,
    value: Value,
}

impl Metric {
    /// How many.
    pub fn count(name: &'static str, count: usize) -> Self {
        Self { name, unit: "Count", value: count.into() }
    }

    /// How long.
    pub fn duration(name: &'static str, duration: SignedDuration) -> Self {
        Self { name, unit: "Seconds", value: duration.as_secs_f64().into() }
    }

    /// A share, from 0 to 1.
    pub fn share(name: &'static str, share: f64) -> Self {
        Self { name, unit: "Percent", value: (100.0 * share).into() }
    }

    /// What `CloudWatch` has no unit for.
    pub fn number(name: &'static str, number: Decimal) -> Self {
        Self { name, unit: "None", value: number.to_f64().into() }
    }
}

/// One line with these figures: of one stack, at one moment, and of whatever else they are told apart by.
pub fn line(stack: &str, at: Timestamp, dimensions: &[(&str, &str)], metrics: &[Metric]) -> Value {
    let names: Vec<_> = ["Stack"].into_iter().chain(dimensions.iter().map(|(name, _)| *name)).collect();
    let described: Vec<_> = metrics.iter().map(|Metric { name, unit, .. }| json!({"Name": name, "Unit": unit})).collect();
    let directive = json!({"Namespace": NAMESPACE, "Dimensions": [names], "Metrics": described});
    let mut line = json!({
        "_aws": {"Timestamp": at.as_millisecond(), "CloudWatchMetrics": [directive]},
        "Stack": stack,
    });
    for (name, value) in dimensions {
        line[*name] = (*value).into();
    }
    for metric in metrics {
        line[metric.name] = metric.value.clone();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_its_metrics_their_units_and_what_they_are_told_apart_by() {
        let metrics = [
            Metric::count("Nights", 1),
            Metric::duration("StepSeconds", SignedDuration::from_millis(1500)),
            Metric::share("QualityScore", 0.75),
            Metric::number("Dollars", Decimal::new(1234, 4)),
        ];
        let line = line("nightly-prod", Timestamp::from_millisecond(1_795_231_440_000).unwrap(), &[("Step", "apply-fx")], &metrics);
        let described = json!([
            {"Name": "Nights", "Unit": "Count"}, {"Name": "StepSeconds", "Unit": "Seconds"},
            {"Name": "QualityScore", "Unit": "Percent"}, {"Name": "Dollars", "Unit": "None"},
        ]);
        let directive = json!({"Namespace": "NightlyWarehouse", "Dimensions": [["Stack", "Step"]], "Metrics": described});
        let expected = json!({
            "_aws": {"Timestamp": 1_795_231_440_000_i64, "CloudWatchMetrics": [directive]},
            "Stack": "nightly-prod", "Step": "apply-fx", "Nights": 1, "StepSeconds": 1.5, "QualityScore": 75.0, "Dollars": 0.1234,
        });
        assert_eq!(line, expected);
    }
}
