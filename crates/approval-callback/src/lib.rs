//! The page behind an approver's link: GET shows the question, POST decides it, and nothing else changes anything.

mod form;
mod page;

use jiff::Timestamp;
use lambda_http::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HOST, LOCATION, ORIGIN};
use lambda_http::http::{HeaderName, Method, StatusCode};
use lambda_http::{Body, Request, RequestExt, Response};
use nightly_domain::approval::{Approval, Bearer, Click, Decision, Standing};
use nightly_domain::delivery::deliver;
use nightly_domain::link::Link;
use nightly_domain::ports::{Approvals, Clock, PortError, Replaced, Tasks, Watch, Watches};

use crate::page::{Dead, Page, Reader};

/// What the function works with.
pub struct Ports<A, T, W, C> {
    /// The record.
    pub approvals: A,
    /// The waiting task.
    pub tasks: T,
    /// The schedules that watch over questions.
    pub watches: W,
    /// The time.
    pub clock: C,
    /// What stands on every page.
    pub site: Site,
}

/// What stands on every page.
#[derive(Debug, Clone)]
pub struct Site {
    /// Such as `prod`.
    pub environment: String,
    /// Where a night's way can be followed.
    pub status_page_url: Option<String>,
}

/// The longest form: two remarks of the greatest length, every character of them escaped.
const MAX_BODY_BYTES: usize = 32 * 1024;

/// A write is lost to somebody else's answer; there are never this many of them.
const ATTEMPTS: usize = 16;

/// Answers a request. Whatever goes wrong is logged here, and the page says what the approver can do.
pub async fn handle(ports: &Ports<impl Approvals, impl Tasks, impl Watches, impl Clock>, request: Request) -> Response<Body> {
    let reply = match *request.method() {
        Method::GET | Method::HEAD => show(ports, &request).await,
        Method::POST => decide(ports, &request).await,
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

async fn show(ports: &Ports<impl Approvals, impl Tasks, impl Watches, impl Clock>, request: &Request) -> Result<Reply, PortError> {
    Ok(match known(ports, request).await? {
        None => Reply::unknown(),
        Some((approval, holder)) => {
            let reader = Box::new(Reader { approval, holder, now: ports.clock.now() });
            Reply::page(StatusCode::OK, Page::Record(reader, None))
        }
    })
}

async fn decide(ports: &Ports<impl Approvals, impl Tasks, impl Watches, impl Clock>, request: &Request) -> Result<Reply, PortError> {
    if let Some((status, dead)) = unacceptable(request) {
        return Ok(Reply::page(status, Page::Dead(dead)));
    }
    let Some((approval, holder)) = known(ports, request).await? else {
        return Ok(Reply::unknown());
    };
    let Holder::Approver(approver) = holder else {
        return Ok(Reply::SeeRecord);
    };
    let now = ports.clock.now();
    let decision = match form::read(request.body().as_ref()) {
        Ok(decision) => decision,
        Err(draft) if approval.standing(approver, now) == Standing::Open => {
            let reader = Box::new(Reader { approval, holder, now });
            return Ok(Reply::page(StatusCode::UNPROCESSABLE_ENTITY, Page::Record(reader, Some(draft))));
        }
        Err(_) => return Ok(Reply::SeeRecord),
    };
    match record(&ports.approvals, approval, approver, &decision, now).await? {
        Some(record) => hand_over(ports, record).await,
        None => return Ok(Reply::unknown()),
    }
    Ok(Reply::SeeRecord)
}

/// Who holds a link that leads to a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holder {
    Approver(usize),
    Superseded(usize),
}

/// The question that the link leads to, and who holds it. A forged link costs what one to nothing costs: one read. The id is public, it
/// stands at the foot of every mail; the secret is compared in constant time.
async fn known(
    ports: &Ports<impl Approvals, impl Tasks, impl Watches, impl Clock>,
    request: &Request,
) -> Result<Option<(Approval, Holder)>, PortError> {
    let Some(link) = Link::from_path(request.raw_http_path()) else {
        return Ok(None);
    };
    let Some(approval) = ports.approvals.read(&link.approval).await? else {
        return Ok(None);
    };
    Ok(match approval.bearer(&link.secret.hash()) {
        Bearer::Approver(place) => Some((approval, Holder::Approver(place))),
        Bearer::Superseded(place) => Some((approval, Holder::Superseded(place))),
        Bearer::Stranger => None,
    })
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

/// Records the answer, if it is one. Answers with the record as it then is, or `None` where it is gone.
async fn record(
    approvals: &impl Approvals,
    mut approval: Approval,
    approver: usize,
    decision: &Decision,
    now: Timestamp,
) -> Result<Option<Approval>, PortError> {
    let secret = approval.approvers[approver].secret_hash;
    for _ in 0..ATTEMPTS {
        // The question may have been put again in the meantime, to other people in another order.
        let Bearer::Approver(approver) = approval.bearer(&secret) else {
            return Ok(Some(approval));
        };
        let Click::Counts(next) = approval.click(approver, decision.clone(), now) else {
            return Ok(Some(approval));
        };
        match approvals.replace(Some(&approval), &next).await? {
            Replaced::Stored => {
                tracing::info!(approval = %next.id, generation = next.generation, status = next.status.name(), "an answer is recorded");
                return Ok(Some(*next));
            }
            Replaced::Lost(Some(current)) => approval = *current,
            Replaced::Lost(None) => return Ok(None),
        }
    }
    Err(PortError::new(format!("recording an answer to approval {}", approval.id), "others kept writing it"))
}

/// Hands a recorded verdict to the night and ends the watch. Should that fail, the answer is recorded all the same, the page says that the
/// night does not have it yet, and the watch tries again.
async fn hand_over(ports: &Ports<impl Approvals, impl Tasks, impl Watches, impl Clock>, record: Approval) {
    let watch = Watch { approval_id: record.id.clone(), generation: record.generation };
    if record.undelivered().is_none() {
        return;
    }
    let outcome = async {
        deliver(&ports.approvals, &ports.tasks, &ports.clock, record).await?;
        ports.watches.end(&watch).await
    };
    if let Err(error) = outcome.await {
        tracing::warn!(approval = %watch.approval_id, error = &error as &dyn std::error::Error, "the rest is left to the watch");
    }
}

fn respond(reply: &Reply, site: &Site, head_only: bool) -> Response<Body> {
    let response = Response::builder()
        .header(CACHE_CONTROL, "no-store")
        .header("referrer-policy", "no-referrer")
        .header("x-content-type-options", "nosniff")
        .header("x-robots-tag", "noindex, nofollow")
        .header("content-security-policy", page::CONTENT_SECURITY_POLICY.as_str());
    let response = match reply {
        // Without the path: it holds the secret, and needs to stand in no header.
        Reply::SeeRecord => response.status(StatusCode::SEE_OTHER).header(LOCATION, "?").body(Body::Empty),
        Reply::Page(status, page) => {
            let response = response.header(CONTENT_TYPE, "text/html; charset=utf-8").status(status);
            let response = if *status == StatusCode::METHOD_NOT_ALLOWED { response.header(ALLOW, "GET, HEAD, POST") } else { response };
            response.body(if head_only { Body::Empty } else { Body::Text(page.render(site)) })
        }
    };
    response.expect("every header above is well formed")
}

#[cfg(test)]
mod tests;
