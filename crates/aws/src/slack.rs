//! Slack, behind an incoming webhook whose address is a secret.

use std::fmt;
use std::time::Duration;

use aws_sdk_secretsmanager::Client as SecretsManager;
use nightly_domain::channel::{Channel, PostError};
use reqwest::redirect::Policy;
use reqwest::{StatusCode, Url};
use serde_json::Value;

/// A Slack channel. The webhook's address is read from Secrets Manager for each message, so that a rotated one counts at once.
#[derive(Debug, Clone)]
pub struct SlackChannel {
    secrets: SecretsManager,
    secret_name: String,
    http: reqwest::Client,
}

/// The address that lets anyone post: opaque, no `Display`, and `Debug` says nothing.
struct Webhook(Url);

#[derive(Debug, thiserror::Error)]
enum InvalidWebhook {
    #[error("the secret {0} has no text")]
    Empty(String),
    #[error("the secret {0} holds no http or https address")]
    Address(String),
}

/// Slack answered with something that says to come back later.
#[derive(Debug, thiserror::Error)]
#[error("it answered with status {0}")]
struct Unavailable(u16);

/// Slack's refusals are words such as `no_service`; more of an unknown answer than this helps nobody.
const QUOTED_CHARACTERS: usize = 120;

impl SlackChannel {
    /// `secret_name` is the secret's name or ARN; its text is the webhook's address.
    pub fn new(secrets: SecretsManager, secret_name: &str) -> Result<Self, reqwest::Error> {
        Self::with_timeout(secrets, secret_name, Duration::from_secs(10))
    }

    fn with_timeout(secrets: SecretsManager, secret_name: &str, timeout: Duration) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .connect_timeout(timeout.min(Duration::from_secs(3)))
            .timeout(timeout)
            // A redirect would hand the message, and the secret path with it, to somebody else.
            .redirect(Policy::none())
            .build()?;
        Ok(Self { secrets, secret_name: secret_name.to_owned(), http })
    }

    async fn webhook(&self) -> Result<Webhook, PostError> {
        let secret = self.secrets.get_secret_value().secret_id(&self.secret_name).send().await.map_err(not_posted)?;
        let text = secret.secret_string().ok_or_else(|| not_posted(InvalidWebhook::Empty(self.secret_name.clone())))?;
        // The parser's own error would quote the secret.
        let url = Url::parse(text.trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        url.map(Webhook).ok_or_else(|| not_posted(InvalidWebhook::Address(self.secret_name.clone())))
    }
}

impl Channel for SlackChannel {
    async fn post(&self, message: &Value) -> Result<(), PostError> {
        let webhook = self.webhook().await?;
        let response = self.http.post(webhook.0).json(message).send().await.map_err(unanswered)?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        if status.is_server_error() || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT) {
            return Err(not_posted(Unavailable(status.as_u16())));
        }
        let answer = response.text().await.unwrap_or_default().chars().take(QUOTED_CHARACTERS).collect();
        Err(PostError::Refused { status: status.as_u16(), answer })
    }
}

/// Without the address, which is the secret.
fn unanswered(error: reqwest::Error) -> PostError {
    let never_sent = error.is_connect() || error.is_builder();
    let error = Box::new(error.without_url());
    if never_sent { PostError::NotPosted(error) } else { PostError::MaybePosted(error) }
}

fn not_posted(error: impl std::error::Error + Send + Sync + 'static) -> PostError {
    PostError::NotPosted(Box::new(error))
}

impl fmt::Debug for Webhook {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Webhook(…)")
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use aws_sdk_secretsmanager::config::{BehaviorVersion, Credentials, Region};
    use nightly_domain::Named;
    use serde_json::json;

    use super::*;
    use crate::fake_server::FakeServer;

    #[tokio::test]
    async fn a_message_goes_to_the_address_that_the_secret_holds() {
        let slack = FakeServer::answering(vec![(200, "ok".to_owned())]);
        let posted = post(&format!("{}/services/T0/B0/canary\n", slack.address)).await;
        assert!(posted.is_ok(), "{posted:?}");
        let requests = slack.requests();
        assert!(requests[0].starts_with("POST /services/T0/B0/canary HTTP/1.1"), "{}", requests[0]);
        assert!(requests[0].ends_with(r#"{"text":"news"}"#), "{}", requests[0]);
    }

    #[tokio::test]
    async fn what_slack_says_decides_whether_to_try_again() {
        for (status, answer, name, message) in [
            (503, "down", "SlackUnavailable", "Slack did not take the message: it answered with status 503"),
            (429, "rate_limited", "SlackUnavailable", "Slack did not take the message: it answered with status 429"),
            (404, "no_service", "SlackRefused", "Slack refused the message with status 404: no_service"),
            (302, "", "SlackRefused", "Slack refused the message with status 302: "),
        ] {
            let slack = FakeServer::answering(vec![(status, answer.to_owned())]);
            let error = post(&format!("{}/canary", slack.address)).await.unwrap_err();
            assert_eq!((error.name(), whole(&error).as_str()), (name, message));
        }
    }

    #[tokio::test]
    async fn a_lost_answer_leaves_open_whether_it_was_posted() {
        let silent = FakeServer::answering(vec![]);
        let error = post(&format!("{}/canary", silent.address)).await.unwrap_err();
        assert!(matches!(error, PostError::MaybePosted(_)), "{error:?}");
        assert_eq!(error.name(), "SlackUnavailable");
    }

    #[tokio::test]
    async fn nobody_listening_means_not_posted() {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let error = post(&format!("http://{address}/canary")).await.unwrap_err();
        assert!(matches!(error, PostError::NotPosted(_)), "{error:?}");
    }

    #[tokio::test]
    async fn no_failure_tells_the_secret() {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let silent = FakeServer::answering(vec![]);
        for secret in
            [format!("http://{address}/canary"), format!("{}/canary", silent.address), "canary".to_owned(), "ftp://x/canary".to_owned()]
        {
            let error = post(&secret).await.unwrap_err();
            let told = format!("{error:?} {}", whole(&error));
            assert!(!told.contains("canary"), "{told}");
        }
        assert_eq!(format!("{:?}", Webhook(Url::parse("https://hooks.example/canary").unwrap())), "Webhook(…)");
    }

    async fn post(secret: &str) -> Result<(), PostError> {
        let manager = FakeServer::answering(vec![(200, json!({"Name": "slack", "SecretString": secret}).to_string())]);
        let config = aws_sdk_secretsmanager::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .credentials_provider(Credentials::new("key", "secret", None, None, "test"))
            .endpoint_url(&manager.address)
            .build();
        let channel = SlackChannel::with_timeout(SecretsManager::from_conf(config), "slack", Duration::from_millis(500)).unwrap();
        channel.post(&json!({"text": "news"})).await
    }

    fn whole(error: &PostError) -> String {
        let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
        format!("{error}{cause}")
    }
}
