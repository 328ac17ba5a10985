//! The local AWS: the emulator makes the calls of the other services, and hands status changes to EventBridge.

use std::io;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Method, Request, header};
use hyper_util::rt::TokioIo;
use nightly_asl::{Failure, Task};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep};

use crate::scope::Scope;

const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(100);

/// The local AWS.
pub(crate) enum LocalAws {
    /// It listens here, such as at `127.0.0.1:4566`.
    At(String),
    /// A test answers for it.
    #[cfg(test)]
    Scripted(Box<dyn Script>),
}

/// Who answers for the local AWS in a test.
#[cfg(test)]
pub(crate) trait Script {
    fn call(&self, call: &Call<'_>) -> std::pin::Pin<Box<dyn Future<Output = Result<Value, Failure>>>>;
}

/// One call of a service.
pub(crate) struct Call<'a> {
    pub(crate) scope: &'a Scope,
    pub(crate) integration: Integration,
    pub(crate) service: &'a str,
    pub(crate) action: &'a str,
    pub(crate) parameters: &'a Value,
    /// The task that makes it; none where a job is looked after.
    #[cfg_attr(not(test), expect(dead_code, reason = "only a test's script asks who calls"))]
    pub(crate) task: Option<&'a Task>,
}

/// How names, instants and errors of an answer are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Integration {
    /// `arn:aws:states:::service:action`, which Step Functions calls with the SDK for Java 1.
    Optimized,
    /// `arn:aws:states:::aws-sdk:service:action`, with the SDK for Java 2.
    Sdk,
}

/// An execution's new status, as the event tells it.
pub(crate) struct StatusChange {
    pub(crate) arn: String,
    pub(crate) detail: Value,
}

/// The local AWS gave no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreachable {
    #[error("the local AWS can't be reached: {0}")]
    Connection(#[from] io::Error),
    #[error("the local AWS hung up: {0}")]
    Exchange(#[from] hyper::Error),
    #[error("the local AWS answered {0}")]
    Answer(String),
}

impl LocalAws {
    /// The local AWS at an address such as `http://127.0.0.1:4566`.
    pub(crate) fn at(url: &str) -> Option<Self> {
        let authority = url.strip_prefix("http://")?.trim_end_matches('/');
        (authority.contains(':') && !authority.contains('/')).then(|| Self::At(authority.to_owned()))
    }

    /// Whether a test's script answers for it, and for Step Functions as well.
    #[cfg_attr(not(test), expect(clippy::unused_self, reason = "there are no scripts but in tests"))]
    pub(crate) fn is_scripted(&self) -> bool {
        #[cfg(test)]
        if let Self::Scripted(_) = self {
            return true;
        }
        false
    }

    /// One call of a service: its answer as a task gets it, or its error as a task fails with it.
    pub(crate) async fn call(&self, call: &Call<'_>) -> Result<Value, Failure> {
        #[cfg(test)]
        if let Self::Scripted(script) = self {
            return script.call(call).await;
        }
        let Call { scope, integration, service, action, parameters, .. } = call;
        let request = json!({
            "region": scope.region,
            "account": scope.account,
            "integration": match integration { Integration::Optimized => "optimized", Integration::Sdk => "sdk" },
            "service": service,
            "action": action,
            "parameters": parameters,
        });
        match self.post("/_local/call", &request).await {
            Ok(mut answer) => match answer.get_mut("result") {
                Some(result) => Ok(result.take()),
                None => Err(serde_json::from_value(answer).unwrap_or_default()),
            },
            Err(unreachable) => Err(Failure::new(format!("{}.{UNREACHABLE}", prefix(service)), unreachable.to_string())),
        }
    }

    /// Hands a status change to EventBridge.
    pub(crate) async fn announce(&self, change: &StatusChange) -> Result<(), Unreachable> {
        let scope = Scope::of_arn(&change.arn);
        let request = json!({"region": scope.region, "account": scope.account, "resource": change.arn, "detail": change.detail});
        self.post("/_local/status-change", &request).await.map(|_| ())
    }

    /// One request on a connection of its own: whoever doesn't wait any more hangs up by dropping the future.
    async fn post(&self, path: &str, body: &Value) -> Result<Value, Unreachable> {
        let authority = match self {
            Self::At(authority) => authority,
            #[cfg(test)]
            Self::Scripted(_) => return Ok(Value::Null),
        };
        let stream = connect(authority).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let carrying = spawn_local(connection);
        let request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(header::HOST, authority)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body.to_string())))
            .expect("the request is well-formed");
        let response = sender.send_request(request).await?;
        let status = response.status();
        let text = response.into_body().collect().await?.to_bytes();
        carrying.abort();
        let answer = || String::from_utf8_lossy(&text).into_owned();
        if !status.is_success() {
            return Err(Unreachable::Answer(format!("{status}: {}", answer())));
        }
        serde_json::from_slice(&text).map_err(|_| Unreachable::Answer(answer()))
    }
}

/// The local AWS starts this server before it listens itself.
async fn connect(authority: &str) -> io::Result<TcpStream> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match TcpStream::connect(authority).await {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused && Instant::now() < deadline => sleep(PAUSE).await,
            connected => return connected,
        }
    }
}

/// What every service's error is called where no answer came.
pub(crate) const UNREACHABLE: &str = "SdkClientException";

/// What stands before the dot of a service's errors where the answer itself doesn't say.
fn prefix(service: &str) -> String {
    match service {
        "dynamodb" => "DynamoDB".to_owned(),
        "sns" | "sqs" => service.to_uppercase(),
        "events" => "EventBridge".to_owned(),
        _ => service[..1].to_uppercase() + &service[1..],
    }
}
