//! Slack, behind a secret: an incoming webhook's address, or a bot's token.

use std::fmt;
use std::time::Duration;

use aws_sdk_secretsmanager::Client as SecretsManager;
use nightly_domain::channel::{Channel, MessageReference, PostError};
use reqwest::redirect::Policy;
use reqwest::{RequestBuilder, Response, StatusCode, Url};
use serde::Deserialize;
use serde_json::{Value, json};

/// A Slack channel. The way to it is read from Secrets Manager for each message, so that a rotated secret counts at once.
///
/// The secret's text is an incoming webhook's address, or `{"botToken": "xoxb-…", "channel": "C…"}`, with an `apiUrl` where Slack's Web API
/// is elsewhere. Only a bot can change what it has posted; a webhook posts once more instead.
#[derive(Debug, Clone)]
pub struct SlackChannel {
    secrets: SecretsManager,
    secret_name: String,
    timeout: Duration,
}

/// What the secret says. It lets anyone post: opaque, no `Display`, and `Debug` says nothing.
enum Way {
    Webhook(Url),
    Bot(Bot),
}

struct Bot {
    token: String,
    channel: String,
    api: Url,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BotSecret {
    bot_token: String,
    channel: String,
    api_url: Option<String>,
}

#[derive(Debug, thiserror::Error)]
enum InvalidSecret {
    #[error("the secret {0} has no text")]
    Empty(String),
    #[error("the secret {0} holds neither an http or https address nor a bot's botToken and channel")]
    Unreadable(String),
}

/// Slack answered with something that says to come back later.
#[derive(Debug, thiserror::Error)]
#[error("it answered with {0}")]
struct Unavailable(String);

/// What a method of the Web API answers. <https://docs.slack.dev/apis/web-api/#responses>
#[derive(Deserialize)]
struct Answer {
    ok: bool,
    error: Option<String>,
    channel: Option<String>,
    ts: Option<String>,
}

const WEB_API: &str = "https://slack.com/api";

/// Errors of the Web API after which a later call may be taken. <https://docs.slack.dev/reference/methods/chat.postMessage#errors>
const PASSING: [&str; 4] = ["ratelimited", "internal_error", "fatal_error", "service_unavailable"];

/// Errors of `chat.update` for a message that can't be changed any more.
const FIXED: [&str; 3] = ["message_not_found", "cant_update_message", "edit_window_closed"];

/// Slack's refusals are words such as `no_service`; more of an unknown answer than this helps nobody.
const QUOTED_CHARACTERS: usize = 120;

impl SlackChannel {
    /// `secret_name` is the secret's name or ARN.
    pub fn new(secrets: SecretsManager, secret_name: &str) -> Self {
        Self { secrets, secret_name: secret_name.to_owned(), timeout: Duration::from_secs(10) }
    }

    /// The same channel, for callers that can't wait as long.
    #[must_use]
    pub fn answering_within(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    async fn way(&self) -> Result<Way, PostError> {
        let secret = self.secrets.get_secret_value().secret_id(&self.secret_name).send().await.map_err(not_posted)?;
        let text = secret.secret_string().ok_or_else(|| not_posted(InvalidSecret::Empty(self.secret_name.clone())))?;
        // The parsers' own errors would quote the secret.
        Way::read(text.trim()).ok_or_else(|| not_posted(InvalidSecret::Unreadable(self.secret_name.clone())))
    }

    fn http(&self) -> Result<reqwest::Client, PostError> {
        let client = reqwest::Client::builder()
            .connect_timeout(self.timeout.min(Duration::from_secs(3)))
            .timeout(self.timeout)
            // A redirect would hand the message, and the secret with it, to somebody else.
            .redirect(Policy::none());
        client.build().map_err(not_posted)
    }

    async fn post_to_webhook(&self, webhook: Url, message: &Value) -> Result<(), PostError> {
        answered(self.http()?.post(webhook).json(message)).await.map(drop)
    }

    async fn post_by_bot(&self, bot: &Bot, message: &Value) -> Result<Option<MessageReference>, PostError> {
        let answer = self.call(bot, "chat.postMessage", message, json!({"channel": bot.channel})).await?;
        if !answer.ok {
            return Err(refusal(answer.error));
        }
        Ok(answer.channel.zip(answer.ts).map(|(channel, ts)| MessageReference { channel, ts }))
    }

    /// Calls a method of the Web API with the message and these further arguments.
    async fn call(&self, bot: &Bot, method: &str, message: &Value, arguments: Value) -> Result<Answer, PostError> {
        let mut call = message.clone();
        if let (Some(call), Value::Object(arguments)) = (call.as_object_mut(), arguments) {
            call.extend(arguments);
        }
        let url = format!("{}/{method}", bot.api.as_str().trim_end_matches('/'));
        let response = answered(self.http()?.post(url).bearer_auth(&bot.token).json(&call)).await?;
        response.json().await.map_err(|error| PostError::MaybePosted(Box::new(error.without_url())))
    }
}

impl Channel for SlackChannel {
    async fn post(&self, message: &Value) -> Result<Option<MessageReference>, PostError> {
        match self.way().await? {
            Way::Webhook(webhook) => self.post_to_webhook(webhook, message).await.map(|()| None),
            Way::Bot(bot) => self.post_by_bot(&bot, message).await,
        }
    }

    async fn update(&self, posted: &MessageReference, message: &Value) -> Result<(), PostError> {
        let bot = match self.way().await? {
            Way::Webhook(webhook) => return self.post_to_webhook(webhook, message).await,
            Way::Bot(bot) => bot,
        };
        let place = json!({"channel": posted.channel, "ts": posted.ts});
        let answer = self.call(&bot, "chat.update", message, place).await?;
        match answer.error {
            _ if answer.ok => Ok(()),
            Some(error) if FIXED.contains(&error.as_str()) => self.post_by_bot(&bot, message).await.map(drop),
            error => Err(refusal(error)),
        }
    }
}

impl Way {
    fn read(text: &str) -> Option<Self> {
        if !text.starts_with('{') {
            return address(text).map(Self::Webhook);
        }
        let BotSecret { bot_token: token, channel, api_url } = serde_json::from_str(text).ok()?;
        let sendable = !token.is_empty() && token.chars().all(|character| character.is_ascii_graphic()) && !channel.is_empty();
        let api = address(api_url.as_deref().unwrap_or(WEB_API))?;
        sendable.then_some(Self::Bot(Bot { token, channel, api }))
    }
}

fn address(text: &str) -> Option<Url> {
    Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))
}

/// Sends the request, and tells by HTTP's means whether Slack has taken it.
async fn answered(request: RequestBuilder) -> Result<Response, PostError> {
    let response = request.send().await.map_err(unanswered)?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    if status.is_server_error() || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT) {
        return Err(not_posted(Unavailable(format!("status {}", status.as_u16()))));
    }
    let answer = response.text().await.unwrap_or_default();
    Err(PostError::Refused { status: status.as_u16(), answer: quoted(&answer) })
}

/// The Web API says with status 200 what it refuses.
fn refusal(error: Option<String>) -> PostError {
    let error = quoted(&error.unwrap_or_default());
    if PASSING.contains(&error.as_str()) { not_posted(Unavailable(error)) } else { PostError::Refused { status: 200, answer: error } }
}

fn quoted(answer: &str) -> String {
    answer.chars().take(QUOTED_CHARACTERS).collect()
}

/// Without the address, which may be the secret.
fn unanswered(error: reqwest::Error) -> PostError {
    let never_sent = error.is_connect() || error.is_builder();
    let error = Box::new(error.without_url());
    if never_sent { PostError::NotPosted(error) } else { PostError::MaybePosted(error) }
}

fn not_posted(error: impl std::error::Error + Send + Sync + 'static) -> PostError {
    PostError::NotPosted(Box::new(error))
}

impl fmt::Debug for Way {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Webhook(_) => "Webhook(…)",
            Self::Bot(_) => "Bot(…)",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use nightly_domain::Named;

    use super::*;
    use crate::Aws;
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
    async fn a_bot_posts_and_learns_how_to_change_what_it_posted() {
        let slack = FakeServer::answering(vec![said(&json!({"ok": true, "channel": "C0", "ts": "1795231440.000100", "message": {}}))]);
        let posted = channel(&bot(&slack.address)).post(&json!({"text": "news", "unfurl_links": false})).await.unwrap();
        assert_eq!(posted, Some(reference()));
        let request = &slack.requests()[0];
        assert!(request.starts_with("POST /api/chat.postMessage HTTP/1.1"), "{request}");
        assert!(
            request.contains("authorization: Bearer xoxb-canary\r\n") && request.contains("content-type: application/json\r\n"),
            "{request}"
        );
        let body: Value = serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap();
        assert_eq!(body, json!({"channel": "C0123456789", "text": "news", "unfurl_links": false}));
    }

    #[tokio::test]
    async fn a_bot_changes_the_message_that_stands() {
        let slack = FakeServer::answering(vec![said(&json!({"ok": true}))]);
        channel(&bot(&slack.address)).update(&reference(), &json!({"text": "the outcome"})).await.unwrap();
        let request = &slack.requests()[0];
        assert!(request.starts_with("POST /api/chat.update HTTP/1.1"), "{request}");
        let body: Value = serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap();
        assert_eq!(body, json!({"channel": "C0", "ts": "1795231440.000100", "text": "the outcome"}));
    }

    #[tokio::test]
    async fn what_cannot_be_changed_is_posted_anew() {
        for error in FIXED {
            let slack = FakeServer::answering(vec![said(&json!({"ok": false, "error": error})), said(&json!({"ok": true}))]);
            channel(&bot(&slack.address)).update(&reference(), &json!({"text": "the outcome"})).await.unwrap();
            assert!(slack.requests()[1].starts_with("POST /api/chat.postMessage "), "{error}");
            assert!(slack.requests()[1].contains(r#""channel":"C0123456789""#), "{error}");
        }
        let slack = FakeServer::answering(vec![(200, "ok".to_owned())]);
        channel(&format!("{}/webhook", slack.address)).update(&reference(), &json!({"text": "the outcome"})).await.unwrap();
        assert!(slack.requests()[0].starts_with("POST /webhook "), "a webhook can only post: {}", slack.requests()[0]);
    }

    #[tokio::test]
    async fn a_bot_is_told_no_with_status_200() {
        let passing = PASSING.map(|error| (error, "SlackUnavailable", format!("Slack did not take the message: it answered with {error}")));
        let refused = ["channel_not_found", "invalid_auth", "invalid_blocks"]
            .map(|error| (error, "SlackRefused", format!("Slack refused the message with status 200: {error}")));
        for (error, name, message) in passing.into_iter().chain(refused) {
            let slack = FakeServer::answering(vec![said(&json!({"ok": false, "error": error})); 2]);
            let channel = channel(&bot(&slack.address));
            for failure in [
                channel.post(&json!({"text": "news"})).await.unwrap_err(),
                channel.update(&reference(), &json!({"text": "news"})).await.unwrap_err(),
            ] {
                assert_eq!((failure.name(), whole(&failure)), (name, message.clone()));
            }
        }
        let slack = FakeServer::answering(vec![(200, "<html>".to_owned()), (503, "down".to_owned())]);
        let channel = channel(&bot(&slack.address));
        let unreadable = channel.post(&json!({"text": "news"})).await.unwrap_err();
        assert!(matches!(unreadable, PostError::MaybePosted(_)), "{unreadable:?}");
        let down = channel.post(&json!({"text": "news"})).await.unwrap_err();
        assert!(matches!(down, PostError::NotPosted(_)), "{down:?}");
    }

    #[tokio::test]
    async fn no_failure_tells_the_secret() {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let silent = FakeServer::answering(vec![]);
        let talkative = FakeServer::answering(vec![(200, "<html>".to_owned())]);
        for secret in [
            format!("http://{address}/canary"),
            format!("{}/canary", silent.address),
            "canary".to_owned(),
            "ftp://x/canary".to_owned(),
            bot(&format!("http://{address}/canary")),
            bot(&silent.address),
            bot(&talkative.address),
            bot("canary"),
            r#"{"botToken": "xoxb-canary"}"#.to_owned(),
            r#"{"botToken": "xoxb-canary\n", "channel": "C0"}"#.to_owned(),
            r#"{"botToken": "xoxb-canary", "channel": "C0", "chanel": "C1"}"#.to_owned(),
        ] {
            let error = channel(&secret).post(&json!({"text": "news"})).await.unwrap_err();
            let told = format!("{error:?} {}", whole(&error));
            assert!(!told.contains("canary"), "{told}");
        }
        for secret in ["https://hooks.example/canary", &bot("https://slack.example")] {
            let shown = format!("{:?}", Way::read(secret).unwrap());
            assert!(["Webhook(…)", "Bot(…)"].contains(&shown.as_str()), "{shown}");
        }
    }

    #[test]
    fn a_bot_calls_slack_where_nothing_else_is_said() {
        let Some(Way::Bot(bot)) = Way::read(r#"{"botToken": "xoxb-1", "channel": "C0123456789"}"#) else { panic!("it is a bot's") };
        assert_eq!(bot.api.as_str(), "https://slack.com/api");
    }

    fn bot(server: &str) -> String {
        json!({"botToken": "xoxb-canary", "channel": "C0123456789", "apiUrl": format!("{server}/api/")}).to_string()
    }

    fn reference() -> MessageReference {
        MessageReference { channel: "C0".to_owned(), ts: "1795231440.000100".to_owned() }
    }

    fn said(answer: &Value) -> (u16, String) {
        (200, answer.to_string())
    }

    async fn post(secret: &str) -> Result<(), PostError> {
        channel(secret).post(&json!({"text": "news"})).await.map(|reference| assert_eq!(reference, None))
    }

    fn channel(secret: &str) -> SlackChannel {
        let answer = (200, json!({"Name": "slack", "SecretString": secret}).to_string());
        let manager = FakeServer::answering(vec![answer.clone(), answer]);
        Aws::at(&manager.address).slack("slack").answering_within(Duration::from_millis(500))
    }

    fn whole(error: &PostError) -> String {
        let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
        format!("{error}{cause}")
    }
}
