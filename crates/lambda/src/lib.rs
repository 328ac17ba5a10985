//! What every function starts with: tracing, configuration, error names.

pub mod config;
pub mod correlation;

use std::future::Future;

use jiff::Timestamp;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use nightly_domain::Named;
use nightly_domain::ports::Clock;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::Instrument as _;

pub use config::InvalidConfiguration;
pub use correlation::Correlation;

/// The machine's clock.
#[derive(Debug, Clone, Copy)]
pub struct WallClock;

impl Clock for WallClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place where the wall clock becomes a port")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// Structured logs as one JSON object a line, in the form that Lambda's logging expects.
pub fn trace() {
    lambda_runtime::tracing::init_default_subscriber();
}

/// Answers events until the environment ends. A failure leaves as a [`Diagnostic`] with the error's fixed name and the whole chain of
/// its causes; the runtime logs it, once.
///
/// A function that could not be set up answers every event with that failure, so that the night names it instead of timing out.
pub async fn run<In, Out, Ports, Failure, Handler, Answer>(
    ports: Result<Ports, InvalidConfiguration>,
    handle: Handler,
) -> Result<(), lambda_runtime::Error>
where
    In: DeserializeOwned,
    Out: Serialize,
    Failure: Named,
    Handler: Fn(&'static Ports, In) -> Answer,
    Answer: Future<Output = Result<Out, Failure>>,
    Ports: 'static,
{
    let ports: &'static Result<Ports, InvalidConfiguration> = Box::leak(Box::new(ports));
    let function: String = config::optional("AWS_LAMBDA_FUNCTION_NAME").ok().flatten().unwrap_or_default();
    lambda_runtime::run(service_fn(|event: LambdaEvent<serde_json::Value>| {
        let handle = &handle;
        let span = Correlation::of(&event.payload).span(&function);
        let work = async move {
            let ports = ports.as_ref().map_err(|error| diagnostic(error))?;
            let input = serde_json::from_value(event.payload).map_err(|error| diagnostic(&InvalidInput(error)))?;
            handle(ports, input).await.map_err(|error| diagnostic(&error))
        };
        work.instrument(span)
    }))
    .await
}

/// The event is not what this function takes.
#[derive(Debug, thiserror::Error)]
#[error("the event does not fit this function's input")]
pub struct InvalidInput(#[source] serde_json::Error);

impl Named for InvalidInput {
    fn name(&self) -> &'static str {
        "InvalidInput"
    }
}

/// The failure as Step Functions matches on it.
pub fn diagnostic(error: &dyn Named) -> Diagnostic {
    Diagnostic { error_type: error.name().to_owned(), error_message: chain(error) }
}

/// An error and everything that caused it, as one sentence: `a: b: c`.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        message.push_str(": ");
        message.push_str(&cause.to_string());
        source = cause.source();
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the rates cannot be read")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn a_chain_reads_from_the_outside_in() {
        let error = Outer(std::io::Error::other("connection refused"));
        assert_eq!(chain(&error), "the rates cannot be read: connection refused");
    }
}
