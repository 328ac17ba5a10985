//! What joins the log lines of one execution over all functions: the date, the run id, the step. They stand in a span around each
//! invocation, and so in every line of its log.

use serde_json::Value;
use tracing::Span;

/// What an event says about the execution that it belongs to; nothing where it says none. No other field of an event reaches a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Correlation {
    /// A night's date, `YYYY-MM-DD`.
    pub run_date: Option<String>,
    /// The dataset that is built.
    pub dataset: Option<String>,
    /// Its date, `YYYY-MM-DD`.
    pub process_date: Option<String>,
    /// The execution's name.
    pub run_id: Option<String>,
    /// The question.
    pub approval: Option<String>,
}

impl Correlation {
    /// Reads the events of our functions: an execution's own, EventBridge's about one, and either from the queue.
    pub fn of(event: &Value) -> Self {
        if let Some(queued) = event["Records"][0]["body"].as_str() {
            return serde_json::from_str(queued).map(|event| Self::of(&event)).unwrap_or_default();
        }
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let of_arn = |value: &Value| value.as_str().and_then(|arn| arn.rsplit(':').next()).map(str::to_owned);
        // A step's prefix is run_date=<date>/<run id>/<step>.
        let of_prefix = |value: &Value| {
            let (_, rest) = value.as_str()?.split_once("/run_date=")?;
            rest.split('/').nth(1).map(str::to_owned)
        };
        Self {
            run_date: text(&event["runDate"]).or_else(|| text(&event["build"]["runDate"])),
            dataset: text(&event["dataset"]),
            process_date: text(&event["processDate"]),
            run_id: text(&event["runId"])
                .or_else(|| text(&event["build"]["runId"]))
                .or_else(|| of_arn(&event["executionArn"]))
                .or_else(|| of_arn(&event["detail"]["executionArn"]))
                .or_else(|| of_prefix(&event["currenciesUri"])),
            approval: text(&event["approvalId"]),
        }
    }

    /// The span for everything that is logged about this event. `step` is the function.
    pub fn span(&self, step: &str) -> Span {
        let Self { run_date, dataset, process_date, run_id, approval } = self;
        tracing::info_span!("execution", run_date, dataset, process_date, run_id, approval, step)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(name: &str) -> Value {
        let path = format!("{}/../../events/{name}.json", env!("CARGO_MANIFEST_DIR"));
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    #[test]
    fn every_event_of_a_night_names_its_run_and_nothing_secret() {
        for name in ["fx-fetch", "approval-request", "stakeholder-notify", "stakeholder-notify-queued", "stakeholder-notify-ended"] {
            let event = event(name);
            let correlation = Correlation::of(&event);
            assert!(correlation.run_id.is_some(), "{name}: {correlation:?}");
            // An event about an end has only the input to say the date, and the function itself reads that.
            assert!(correlation.run_date.is_some() || name == "stakeholder-notify-ended", "{name}: {correlation:?}");
            if let Some(token) = event["taskToken"].as_str() {
                assert!(!format!("{correlation:?}").contains(token));
            }
        }
        for name in ["dataset-check", "stakeholder-notify-dataset"] {
            let built = Correlation::of(&event(name));
            assert_eq!((built.dataset.as_deref(), built.process_date.as_deref()), (Some("orders"), Some("2026-11-20")), "{name}");
            assert!(built.run_id.is_some(), "{name}: {built:?}");
        }
        assert_eq!(Correlation::of(&event("approval-watch")).approval, event("approval-watch")["approvalId"].as_str().map(str::to_owned));
        assert_eq!(Correlation::of(&json!({})), Correlation::default());
        assert_eq!(Correlation::of(&json!({"Records": [{"body": "{"}]})), Correlation::default());
    }

    #[test]
    fn a_line_of_the_log_carries_the_run_and_the_step() {
        let log = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let writer = {
            let log = std::sync::Arc::clone(&log);
            move || Written(std::sync::Arc::clone(&log))
        };
        let subscriber = lambda_runtime::tracing::subscriber::fmt().without_time().with_writer(writer).json().finish();
        tracing::subscriber::with_default(subscriber, || {
            let correlation =
                Correlation { run_date: Some("2026-11-20".to_owned()), run_id: Some("night-1".to_owned()), ..Correlation::default() };
            correlation.span("fx-fetch").in_scope(|| tracing::info!(rates = 4, "rates written"));
        });
        let line: Value = serde_json::from_slice(&log.lock().unwrap()).unwrap();
        let span = &line["span"];
        assert_eq!((&span["run_date"], &span["run_id"], &span["step"]), (&json!("2026-11-20"), &json!("night-1"), &json!("fx-fetch")));
        assert_eq!(line["fields"]["rates"], 4);
    }

    struct Written(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

    impl std::io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
}
