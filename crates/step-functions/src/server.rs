//! The HTTP side: one thread, one connection after the other taken in, all answered side by side.

use std::convert::Infallible;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderMap};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustix::process::getppid;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::sleep;

use crate::clock::{Clock, uuid};
use crate::executions::{StepFunctions, Unreadable};
use crate::local_aws::LocalAws;
use crate::refusal::Refusal;
use crate::scope::Scope;

const TARGET: &str = "AWSStepFunctions.";
const PARENT_LOOK: Duration = Duration::from_millis(300);

/// Where the server listens, keeps its files, and finds the local AWS.
pub struct Configuration {
    /// The port on 127.0.0.1; 0 for any that is free.
    pub port: u16,
    /// The folder of state machines and executions.
    pub data: PathBuf,
    /// The local AWS's address, such as `http://127.0.0.1:4566`.
    pub aws: String,
}

/// Why the server didn't start.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The local AWS's address can't be read.
    #[error("--aws is {0:?}, not an address such as http://127.0.0.1:4566")]
    Aws(String),
    /// The port is taken, or there is no network.
    #[error("cannot listen on 127.0.0.1:{port}: {error}")]
    Listen {
        /// The port that was asked for.
        port: u16,
        /// What the system said.
        error: io::Error,
    },
    /// The data folder isn't ours, or isn't whole.
    #[error("{0}")]
    Data(String),
}

/// Serves until the process that started this one ends. Says on standard output where, once it answers.
pub fn serve(configuration: Configuration) -> Result<(), Failed> {
    let Configuration { port, data, aws } = configuration;
    let aws = LocalAws::at(&aws).ok_or(Failed::Aws(aws))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| Failed::Listen { port, error })?;
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.map_err(|error| Failed::Listen { port, error })?;
        let address = listener.local_addr().map_err(|error| Failed::Listen { port, error })?;
        let steps = StepFunctions::restore(&data, aws, Clock::Wall).map_err(|error: Unreadable| Failed::Data(error.to_string()))?;
        println!("Step Functions at http://{address}");
        tokio::select! {
            never = take_in(listener, steps) => match never {},
            () = parent_ends() => Ok(()),
        }
    })
}

async fn take_in(listener: TcpListener, steps: Rc<StepFunctions>) -> Infallible {
    loop {
        // A client that went before it was taken in is no matter.
        let Ok((stream, _)) = listener.accept().await else { continue };
        let steps = Rc::clone(&steps);
        spawn_local(async move {
            let answering = service_fn(|request| answer(&steps, request));
            // So is one that hangs up.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answering).await;
        });
    }
}

async fn answer(steps: &Rc<StepFunctions>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    if parts.method == Method::GET && parts.uri.path() == "/health" {
        return Ok(response(StatusCode::OK, &json!({"status": "ok"})));
    }
    let text = |name: &str, headers: &HeaderMap| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let target = text("x-amz-target", &parts.headers);
    let scope = Scope::of_authorization(&text(header::AUTHORIZATION.as_str(), &parts.headers));
    let answered = match (target.strip_prefix(TARGET), std::str::from_utf8(&body)) {
        (Some("TestState"), Ok(body)) => steps.test_state(&scope, body).await,
        (Some(operation), Ok(body)) => steps.answer(&scope, operation, body),
        (None, _) => Err(Refusal::new("UnknownOperationException", "X-Amz-Target names no operation of AWSStepFunctions")),
        (_, Err(_)) => Err(Refusal::new("SerializationException", "the body is not UTF-8")),
    };
    Ok(match answered {
        Ok(answer) => response(StatusCode::OK, &answer),
        Err(refusal) if refusal.name == "InternalFailure" => response(StatusCode::INTERNAL_SERVER_ERROR, &refusal.body()),
        Err(refusal) => response(StatusCode::BAD_REQUEST, &refusal.body()),
    })
}

fn response(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "application/x-amz-json-1.0")
        .header("x-amzn-RequestId", uuid())
        .body(Full::new(Bytes::from(body.to_string())))
        .expect("the answer is well-formed")
}

/// Linux's own signal comes when the *thread* that started us ends, which can be long before the process; so we look.
async fn parent_ends() {
    let parent = getppid();
    while getppid() == parent {
        sleep(PARENT_LOOK).await;
    }
}
