//! Step Functions on the wall clock: the engine `nightly-asl` behind the service's own JSON API, on 127.0.0.1 only.
//!
//! One thread owns every execution, so nothing is locked. What a task calls goes to the local AWS (`local_aws`); calls of
//! Step Functions itself are answered here. Each execution's start and everything it was told lie in a file of its own
//! (`journal`); told again at the next start, they make the same execution, which then goes on.
//!
//! What differs from AWS: no activities, distributed Maps, versions, aliases, logs and traces; Express executions keep their
//! history as Standard ones do; nothing is throttled and no permission is checked. A task that was being called when the
//! server died is called again; a job (`.sync`) that was submitted is asked after by its id, and a token waits on.
//! An execution that can't be made again, because the engine has changed since, keeps the server from starting and is named.
//!
//! SDKs put `sync-` before the host when they call `TestState`, which no loopback address has: turn host prefixes off
//! (botocore: `inject_host_prefix=False`).

mod api;
mod clock;
mod executions;
mod integrations;
mod jobs;
mod journal;
mod local_aws;
mod machines;
mod refusal;
#[cfg(test)]
mod scenarios;
mod scope;
mod server;

pub use server::{Configuration, Failed, serve};
