//! The page behind a link: GET shows the question, POST answers it, and nothing else changes anything.

mod form;
mod page;
mod visit;

use lambda_http::http::header::{ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, LOCATION, ORIGIN};
use lambda_http::http::{HeaderName, Method, StatusCode};
use lambda_http::{Body, Request, RequestExt, Response};
use nightly_approval::Site;
use nightly_approval::follow_up::follow_up;
use nightly_domain::approval::{Approval, ApprovalStatus, Bearer, Click, Handover, NotPossible, Standing};
use nightly_domain::delivery::{Revised, deliver, revise};
use nightly_domain::history::Executions;
use nightly_domain::link::{Link, SecretHash};
use nightly_domain::ports::{Approvals, Clock, Desk, PortError, Watch, Watches};

use crate::form::{Act, Draft};
use crate::page::{Dead, Page, Reading};

/// What the function works with.
#[derive(Debug, Clone)]
pub struct Ports<D> {
    /// Where approvals are worked on.
    pub desk: D,
    /// What stands on every page.
    pub site: Site,
}

/// The longest form: two remarks of the greatest length, every character of them escaped.
const MAX_BODY_BYTES: usize = 32 * 1024;

/// Answers a request. Whatever goes wrong is logged here, and the page says what the reader can do.
pub async fn handle(ports: &Ports<impl Desk>, request: Request) -> Response<Body> {
    let reply = match *request.method() {
        Method::GET | Method::HEAD => show(ports, &request).await,
        Method::POST => act(ports, &request).await,
        _ => Ok(Reply::page(StatusCode::METHOD_NOT_ALLOWED, Page::Dead(Dead::Method))),
    };
    let reply = reply.unwrap_or_else(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "the record cannot be reached");
        let dead = if *request.method() == Method::POST { Dead::AnswerUncertain } else { Dead::Unreachable };
        Reply::page(StatusCode::SERVICE_UNAVAILABLE, Page::Dead(dead))
    });
    respond(&reply, &ports.site, *request.method() == Method::HEAD)
}

enum Reply {
    Page(StatusCode, Page),
    /// To the same address, by GET. What is then shown is said of the record as it is at that moment, never of a click that was long ago, and
    /// a reload asks nobody to send a form again.
    SeeRecord,
}

impl Reply {
    fn page(status: StatusCode, page: Page) -> Self {
        Self::Page(status, page)
    }

    /// The one answer to every link that leads nowhere: cut, forged, mistyped or long gone.
    fn unknown() -> Self {
        Self::page(StatusCode::NOT_FOUND, Page::Dead(Dead::Unknown))
    }
}

/// Shows the question. The record and the task stay as they are; that it was looked at is noted, if that can be done.
async fn show(ports: &Ports<impl Desk>, request: &Request) -> Result<Reply, PortError> {
    let Some(Known { mut approval, holder, .. }) = known(ports, request).await? else {
        return Ok(Reply::unknown());
    };
    let now = ports.desk.clock().now();
    visit::note(&ports.desk, &approval, holder, visit::reader(request), now).await;
    let unsettled = approval.status == ApprovalStatus::Pending || approval.undelivered().is_some();
    if unsettled && *request.method() == Method::GET {
        // Nobody needs an answer any more when the execution has ended, and none will be handed over; the watch writes that down. Where it
        // can't be found out, the record is shown as it is.
        if let Ok(Some(end)) = ports.desk.executions().end(&approval.execution_arn).await {
            approval.status = match approval.status {
                ApprovalStatus::Decided { verdict, .. } => {
                    ApprovalStatus::Decided { verdict, handover: Handover::Closed { at: now, end: Some(end) } }
                }
                _ => ApprovalStatus::Cancelled { at: now, end },
            };
        }
    }
    Ok(Reply::page(StatusCode::OK, Page::Record(Box::new(Reading { approval, holder, now }), None)))
}

/// Records what an approver does, hands over what that decides, and does what follows from it. Whatever fails after the record is written is
/// left to the watch, and the page says how far it has come.
async fn act(ports: &Ports<impl Desk>, request: &Request) -> Result<Reply, PortError> {
    if let Some((status, dead)) = unacceptable(request) {
        return Ok(Reply::page(status, Page::Dead(dead)));
    }
    let Some(Known { approval, holder, secret }) = known(ports, request).await? else {
        return Ok(Reply::unknown());
    };
    let Holder::Approver(place) = holder else {
        return Ok(Reply::SeeRecord);
    };
    let act = match form::read(request.body().as_ref()) {
        Ok(act) => act,
        Err(draft) => return Ok(ask_again(ports, approval, place, draft)),
    };
    match record(&ports.desk, approval, &secret, &act).await? {
        Recorded::As(record) => {
            finish(ports, *record).await;
            Ok(Reply::SeeRecord)
        }
        Recorded::Refused(current, place, refusal) => Ok(ask_again(ports, *current, place, form::refused(refusal))),
        Recorded::Gone => Ok(Reply::unknown()),
    }
}

/// The question once more, with what was filled in, unless it is open no longer.
fn ask_again(ports: &Ports<impl Desk>, approval: Approval, place: usize, draft: Draft) -> Reply {
    let now = ports.desk.clock().now();
    if approval.standing(place, now) != Standing::Open {
        return Reply::SeeRecord;
    }
    let reading = Reading { approval, holder: Holder::Approver(place), now };
    Reply::page(StatusCode::UNPROCESSABLE_ENTITY, Page::Record(Box::new(reading), Some(draft)))
}

/// A link that leads to a question.
struct Known {
    approval: Approval,
    holder: Holder,
    secret: SecretHash,
}

/// Who holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holder {
    Approver(usize),
    Superseded(usize),
    Viewer,
}

/// The question that the link leads to, and who holds it. A forged link costs what one to nothing costs: one read. The id is public, it
/// stands at the foot of every mail; the secret is compared in constant time.
async fn known(ports: &Ports<impl Desk>, request: &Request) -> Result<Option<Known>, PortError> {
    let Some(link) = Link::from_path(request.raw_http_path()) else {
        return Ok(None);
    };
    let secret = link.secret.hash();
    let Some(approval) = ports.desk.approvals().read(&link.approval).await? else {
        return Ok(None);
    };
    let holder = match approval.bearer(&secret) {
        Bearer::Approver(place) => Holder::Approver(place),
        Bearer::Superseded(place) => Holder::Superseded(place),
        Bearer::Viewer => Holder::Viewer,
        Bearer::Stranger => return Ok(None),
    };
    Ok(Some(Known { approval, holder, secret }))
}

/// Why this POST can't be the one that our own page's button makes.
fn unacceptable(request: &Request) -> Option<(StatusCode, Dead)> {
    let content_type = header(request, &CONTENT_TYPE).unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if comes_from_elsewhere(request) {
        Some((StatusCode::FORBIDDEN, Dead::Elsewhere))
    } else if !content_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        Some((StatusCode::UNSUPPORTED_MEDIA_TYPE, Dead::Unreadable))
    } else if request.body().as_ref().len() > MAX_BODY_BYTES {
        Some((StatusCode::PAYLOAD_TOO_LARGE, Dead::Unreadable))
    } else {
        None
    }
}

/// Another site's page made the browser send this. A browser that says nothing of the site says `Origin: null` for our own form, since the
/// page asks for no referrer (Fetch, "append a request `Origin` header"): that is no sign of another site.
fn comes_from_elsewhere(request: &Request) -> bool {
    match (header(request, &HeaderName::from_static("sec-fetch-site")), header(request, &ORIGIN)) {
        (Some(site), _) => !matches!(site, "same-origin" | "none"),
        (None, None | Some("null")) => false,
        (None, Some(origin)) => origin.split_once("://").map(|(_, host)| host) != header(request, &HOST),
    }
}

fn header<'a>(request: &'a Request, name: &HeaderName) -> Option<&'a str> {
    request.headers().get(name)?.to_str().ok()
}

/// What an act has made of the record.
enum Recorded {
    /// It is recorded, or somebody else's act came first: the record as it now is.
    As(Box<Approval>),
    /// It can't be done, and the question is as it was: the record, the place of whoever tried, and why.
    Refused(Box<Approval>, usize, NotPossible),
    /// There is no record any more.
    Gone,
}

/// Records the act, if it counts.
async fn record(desk: &impl Desk, approval: Approval, secret: &SecretHash, act: &Act) -> Result<Recorded, PortError> {
    // The question may have been put again in the meantime, to other people in another order.
    let tried_on = |current: &Approval| match current.bearer(secret) {
        Bearer::Approver(place) => Some((place, act.on(current, place, desk.clock().now()))),
        _ => None,
    };
    let counted = |current: &Approval| match tried_on(current) {
        Some((_, Click::Counts(next))) => Some(*next),
        _ => None,
    };
    Ok(match revise(desk.approvals(), approval, counted).await? {
        Revised::Stored(record) => {
            tracing::info!(approval = %record.id, generation = record.generation, status = record.status.name(), act = act.name(), "recorded");
            Recorded::As(record)
        }
        Revised::Left(current) => match tried_on(&current) {
            Some((place, Click::Refused(refusal))) => Recorded::Refused(current, place, refusal),
            _ => Recorded::As(current),
        },
        Revised::Gone => Recorded::Gone,
    })
}

/// Hands a recorded verdict to the execution, does what follows from the record, and ends the watch when nothing is left for it to do.
async fn finish(ports: &Ports<impl Desk>, record: Approval) {
    let watch = Watch { approval_id: record.id.clone(), generation: record.generation };
    let left = |error: &PortError| {
        tracing::warn!(approval = %watch.approval_id, error = error as &dyn std::error::Error, "the rest is left to the watch");
    };
    let delivered = match deliver(&ports.desk, record.clone()).await {
        Ok(delivered) => delivered,
        Err(error) => {
            left(&error);
            record
        }
    };
    let Ok(record) = follow_up(&ports.desk, &ports.site, delivered).await else {
        return;
    };
    let same = record.generation == watch.generation;
    if same
        && is_settled(&record)
        && record.announcement_due().is_none()
        && let Err(error) = ports.desk.watches().end(&watch).await
    {
        left(&error);
    }
}

/// Nothing about the question will change any more, unless it is put again.
fn is_settled(record: &Approval) -> bool {
    match &record.status {
        ApprovalStatus::Pending | ApprovalStatus::Decided { handover: Handover::Due, .. } => false,
        ApprovalStatus::Decided { .. } | ApprovalStatus::Expired { .. } | ApprovalStatus::Cancelled { .. } => true,
    }
}

fn respond(reply: &Reply, site: &Site, head_only: bool) -> Response<Body> {
    let response = Response::builder()
        .header(CACHE_CONTROL, "no-store")
        .header("referrer-policy", "no-referrer")
        .header("x-content-type-options", "nosniff")
        .header("x-frame-options", "DENY")
        .header("x-robots-tag", "noindex, nofollow")
        .header("strict-transport-security", "max-age=31536000")
        .header("cross-origin-opener-policy", "same-origin")
        .header("cross-origin-resource-policy", "same-origin");
    let response = match reply {
        Reply::SeeRecord => response
            .header(CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'")
            .status(StatusCode::SEE_OTHER)
            // Without the path: it holds the secret, and needs to stand in no header.
            .header(LOCATION, "?")
            .body(Body::Empty),
        Reply::Page(status, page) => {
            let response = response.header(CONTENT_SECURITY_POLICY, page.content_security_policy()).status(status);
            let response = response.header(CONTENT_TYPE, "text/html; charset=utf-8");
            let response = if *status == StatusCode::METHOD_NOT_ALLOWED { response.header(ALLOW, "GET, HEAD, POST") } else { response };
            response.body(if head_only { Body::Empty } else { Body::Text(page.render(site)) })
        }
    };
    response.expect("every header above is well formed")
}

#[cfg(test)]
extern crate self as approval_callback;
#[cfg(test)]
#[path = "../examples/gallery/states.rs"]
mod states;
#[cfg(test)]
mod tests;
