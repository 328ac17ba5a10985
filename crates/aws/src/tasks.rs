//! Tasks that wait in Step Functions.

use aws_sdk_sfn::Client;
use aws_sdk_sfn::error::{ProvideErrorMetadata, SdkError};
use nightly_domain::approval::TaskToken;
use nightly_domain::ports::{PortError, TaskAnswer, Tasks};

/// The waiting tasks of one account and region.
#[derive(Debug, Clone)]
pub struct StepFunctionsTasks {
    client: Client,
}

impl StepFunctionsTasks {
    /// The tasks behind this client.
    pub fn new(client: Client) -> Self {
        Self { client }
    }
}

impl Tasks for StepFunctionsTasks {
    async fn succeed(&self, token: &TaskToken, output: &str) -> Result<TaskAnswer, PortError> {
        answer("SendTaskSuccess", self.client.send_task_success().task_token(token.expose()).output(output).send().await)
    }

    async fn beat(&self, token: &TaskToken) -> Result<TaskAnswer, PortError> {
        answer("SendTaskHeartbeat", self.client.send_task_heartbeat().task_token(token.expose()).send().await)
    }
}

/// Step Functions refused. Only the code is kept: a message might quote the token.
#[derive(Debug, thiserror::Error)]
#[error("Step Functions answered {0}")]
struct Refused(String);

fn answer<Output, Error, Response>(call: &str, result: Result<Output, SdkError<Error, Response>>) -> Result<TaskAnswer, PortError>
where
    Error: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    Response: std::fmt::Debug + Send + Sync + 'static,
{
    let Err(error) = result else {
        return Ok(TaskAnswer::Accepted);
    };
    match error.as_service_error().map(|refusal| refusal.code().unwrap_or("an unnamed error").to_owned()) {
        Some(code) if ["TaskTimedOut", "TaskDoesNotExist"].contains(&code.as_str()) => Ok(TaskAnswer::Closed),
        Some(code) => Err(PortError::new(call, Refused(code))),
        None => Err(PortError::new(call, error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Aws;
    use crate::fake_server::FakeServer;

    fn token() -> TaskToken {
        "canary-token".to_owned().try_into().unwrap()
    }

    #[tokio::test]
    async fn a_task_that_waits_no_more_is_closed_and_not_an_error() {
        let error = |code: &str| (400, format!(r#"{{"__type":"{code}","message":"of canary-token"}}"#));
        let server = FakeServer::answering(vec![
            (200, "{}".into()),
            error("TaskTimedOut"),
            error("TaskDoesNotExist"),
            (200, "{}".into()),
            error("TaskTimedOut"),
        ]);
        let tasks = Aws::at(&server.address).tasks();
        assert_eq!(tasks.succeed(&token(), r#"{"decision":"APPROVED"}"#).await.unwrap(), TaskAnswer::Accepted);
        assert_eq!(tasks.succeed(&token(), "{}").await.unwrap(), TaskAnswer::Closed);
        assert_eq!(tasks.beat(&token()).await.unwrap(), TaskAnswer::Closed);
        assert_eq!(tasks.beat(&token()).await.unwrap(), TaskAnswer::Accepted);
        assert_eq!(tasks.beat(&token()).await.unwrap(), TaskAnswer::Closed);
        let sent = server.requests();
        assert!(
            sent[0].contains("AWSStepFunctions.SendTaskSuccess") && sent[0].contains(r#""output":"{\"decision\":\"APPROVED\"}""#),
            "{}",
            sent[0]
        );
        assert!(sent[2].contains("AWSStepFunctions.SendTaskHeartbeat"), "{}", sent[2]);
    }

    #[tokio::test]
    async fn a_refusal_says_its_code_and_nothing_of_the_token() {
        let server = FakeServer::answering(vec![(400, r#"{"__type":"InvalidToken","message":"Invalid Token: canary-token"}"#.into())]);
        let error = Aws::at(&server.address).tasks().succeed(&token(), "{}").await.unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(shown.contains("InvalidToken") && !shown.contains("canary-token"), "{shown}");
    }
}
