//! What everybody does: the real handlers, and how far each caller has come in them.
//!
//! A handler is a function of the replies that it gets. So where a caller stands is known by the replies so far, a caller can be brought
//! there again at any time, and each way through a handler is gone once, however many histories lead along it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use jiff::Timestamp;
use lambda_http::http::Method;
use lambda_http::{Body, RequestExt, Response};
use nightly_approval::Site;
use nightly_domain::approval::TaskToken;
use nightly_domain::evidence;
use nightly_domain::link::ApprovalId;
use nightly_domain::memory::MemoryObjects;
use nightly_domain::memory::calls::{ByCalls, Call, Reply};
use nightly_domain::people::Panel;
use nightly_domain::ports::Watch;

use super::record_digest;
use super::stepping::{Stepping, decides};
use super::weaker::Protocol;

/// Everybody who can act, and how they are to do it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Errand {
    /// This form is sent to this address, and what is then shown is looked at.
    Sends(String, &'static str),
    /// This address is opened.
    Opens(String),
    /// The watch over this generation goes a round.
    Watches(u32),
    /// This attempt of the step asks.
    Asks(u32),
}

/// What an errand comes to.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    /// Somebody was told this.
    Told(Rc<str>),
    /// The browser is sent to this address, and remembers nothing of the form.
    Opens(String),
}

/// Where a caller stands, or what it has come to.
#[derive(Debug, Clone)]
pub(super) enum Next {
    Calls(Rc<Call>),
    Ended(Outcome),
}

/// How the handlers are set up.
#[derive(Debug, Clone)]
pub(super) struct House {
    pub(super) people: Vec<&'static str>,
    pub(super) deputies: Vec<&'static str>,
    pub(super) required: u32,
    pub(super) protocol: Protocol,
    /// How long the task waits, and how much of that is kept for those who ask for more time.
    pub(super) timeout_seconds: u32,
    pub(super) extension_seconds: u32,
}

/// A point on somebody's way.
pub(super) type Place = usize;

struct Stop {
    errand: Errand,
    begun_at: Timestamp,
    caller: usize,
    before: Option<(Place, Timestamp, Rc<Reply>)>,
    next: Next,
    after: Vec<Place>,
    /// What can matter of the way here.
    standing: u64,
}

/// All ways that were gone.
pub(super) struct Ways {
    house: House,
    /// Whether calls that decide nothing are made in the same breath as those before them.
    pub(super) folded: bool,
    stops: RefCell<Vec<Stop>>,
    beginnings: RefCell<HashMap<(usize, Errand, Timestamp), Place>>,
}

impl Ways {
    pub(super) fn new(house: House, folded: bool) -> Self {
        Self { house, folded, stops: RefCell::default(), beginnings: RefCell::default() }
    }

    /// Where the caller of this number stands when it has just begun.
    pub(super) fn begin(&self, caller: usize, errand: &Errand, at: Timestamp) -> Place {
        let key = (caller, errand.clone(), at);
        if let Some(place) = self.beginnings.borrow().get(&key) {
            return *place;
        }
        let standing = hashed(&(errand, at));
        let next = self.go(caller, errand, at, []);
        let stop = Stop { errand: errand.clone(), begun_at: at, caller, before: None, next, after: Vec::new(), standing };
        let place = self.put(stop);
        self.beginnings.borrow_mut().insert(key, place);
        place
    }

    /// Where a caller comes to by this reply.
    pub(super) fn follow(&self, from: Place, at: Timestamp, reply: Reply) -> Place {
        let (errand, begun_at, caller, standing) = {
            let stops = self.stops.borrow();
            let stop = &stops[from];
            let known = stop.after.iter().find(|place| {
                let (_, when, known) = stops[**place].before.as_ref().expect("whoever comes after came by a reply");
                *when == at && **known == reply
            });
            if let Some(place) = known {
                return *place;
            }
            let Next::Calls(call) = &stop.next else { panic!("nobody replies to whoever has ended") };
            let matters = !self.folded || decides(call);
            let standing = if matters { hashed(&(stop.standing, at, weight(&reply))) } else { stop.standing };
            (stop.errand.clone(), stop.begun_at, stop.caller, standing)
        };
        let mut replies = vec![(at, reply.clone())];
        let mut place = from;
        while let Some((earlier, at, reply)) = self.stops.borrow()[place].before.clone() {
            replies.push((at, (*reply).clone()));
            place = earlier;
        }
        replies.reverse();
        let next = self.go(caller, &errand, begun_at, replies);
        let before = Some((from, at, Rc::new(reply)));
        let place = self.put(Stop { errand, begun_at, caller, before, next, after: Vec::new(), standing });
        self.stops.borrow_mut()[from].after.push(place);
        place
    }

    /// What comes next at this place.
    pub(super) fn next(&self, place: Place) -> Next {
        self.stops.borrow()[place].next.clone()
    }

    /// All that can matter of how somebody came here.
    pub(super) fn standing(&self, place: Place) -> u64 {
        self.stops.borrow()[place].standing
    }

    fn put(&self, stop: Stop) -> Place {
        let mut stops = self.stops.borrow_mut();
        stops.push(stop);
        stops.len() - 1
    }

    /// Goes an errand from its beginning until the replies are used up.
    fn go(&self, caller: usize, errand: &Errand, at: Timestamp, replies: impl IntoIterator<Item = (Timestamp, Reply)>) -> Next {
        // Nobody makes more secrets than this on one errand.
        let secrets = u8::try_from(100 + 8 * caller).expect("few callers");
        let desk = Stepping::new(at, secrets, replies);
        let mut task = self.task(errand, ByCalls(desk.clone()));
        match task.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(outcome) => Next::Ended(outcome),
            Poll::Pending => Next::Calls(Rc::new(desk.stopped_before().expect("only a call is waited for"))),
        }
    }

    fn task(&self, errand: &Errand, desk: ByCalls<Stepping>) -> Pin<Box<dyn Future<Output = Outcome>>> {
        let site = Site { environment: "local".to_owned(), base_url: String::new(), status_page_url: None };
        let errand = errand.clone();
        match (errand, self.house.protocol) {
            (Errand::Sends(address, form), protocol) if protocol.has_our_page() => Box::pin(async move {
                let ports = approval_callback::Ports { desk, site };
                let answer = approval_callback::handle(&ports, request(Method::POST, &address, form)).await;
                if answer.status() == 303 { Outcome::Opens(address) } else { Outcome::Told(title(&answer)) }
            }),
            (Errand::Sends(address, form), weaker) => {
                Box::pin(async move { Outcome::Told(weaker.click(&desk, &address, form).await.into()) })
            }
            (Errand::Opens(address), _) => Box::pin(async move {
                let ports = approval_callback::Ports { desk, site };
                Outcome::Told(title(&approval_callback::handle(&ports, request(Method::GET, &address, "")).await))
            }),
            (Errand::Watches(generation), _) => Box::pin(async move {
                let ports = approval_watch::Ports { desk, site };
                Outcome::Told(match approval_watch::handle(&ports, Watch { approval_id: id(), generation }).await {
                    Ok(_) => "a round".into(),
                    Err(_) => "a broken round".into(),
                })
            }),
            (Errand::Asks(attempt), _) => {
                let panel = Panel::new(&self.house.people, self.house.required).and_then(|panel| panel.with_deputies(&self.house.deputies));
                let settings = approval_request::Settings { panel: panel.expect("a panel that can agree"), site, nights: None };
                let request = asking(attempt, self.house.timeout_seconds, self.house.extension_seconds);
                Box::pin(async move {
                    let ports = approval_request::Ports { objects: MemoryObjects::default(), desk, settings };
                    Outcome::Told(match approval_request::handle(&ports, approval_request::Event::Ask(Box::new(request))).await {
                        Ok(_) => "asked".into(),
                        Err(_) => "not asked".into(),
                    })
                })
            }
        }
    }
}

/// The question's public name.
pub(super) fn id() -> ApprovalId {
    "night".parse().expect("an approval id")
}

/// What this attempt of the step waits by.
pub(super) fn token(attempt: u32) -> TaskToken {
    format!("token-{attempt}").try_into().expect("a task token")
}

/// What is asked. Its words decide nothing here, so they are few.
pub(super) fn subject() -> evidence::Request {
    evidence::Request { question: "Go on?".to_owned(), consequence: "It goes on.".to_owned(), facts: Vec::new(), bound_uri: None }
}

fn asking(attempt: u32, timeout_seconds: u32, extension_seconds: u32) -> approval_request::Request {
    serde_json::from_value(serde_json::json!({
        "taskToken": token(attempt).expose(),
        "approvalId": id(),
        "executionArn": super::EXECUTION,
        "timeoutSeconds": timeout_seconds,
        "extensionSeconds": extension_seconds,
        "startedBy": "schedule",
        "request": subject(),
    }))
    .expect("the documented input")
}

fn request(method: Method, address: &str, form: &str) -> lambda_http::Request {
    let mut request = lambda_http::Request::new(Body::from(form)).with_raw_http_path(address);
    *request.method_mut() = method;
    let browser = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"),
        ("accept", "text/html,application/xhtml+xml"),
        ("accept-language", "en"),
        ("sec-fetch-site", "none"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
    ];
    for (name, value) in browser {
        request.headers_mut().insert(name, value.parse().expect("a header"));
    }
    request
}

/// What the page says first: its title, and the sentences below it where it is no question.
fn title(answer: &Response<Body>) -> Rc<str> {
    let page = String::from_utf8_lossy(answer.body().as_ref()).into_owned();
    let within = |start: &str, end: &str| Some(page.split_once(start)?.1.split_once(end)?.0.to_owned());
    let title = within("<h1>", "</h1>").unwrap_or_else(|| panic!("a page without a title: {page}"));
    let lead = page.contains(r#"<main class="end-state">"#).then(|| within("</h1>\n<p>", "</p>")).flatten().unwrap_or_default();
    format!("{title}. {lead}").replace('\u{a0}', " ").into()
}

/// What can matter of a reply, in one number.
fn weight(reply: &Reply) -> u64 {
    match reply {
        Reply::Record(record) => record.as_ref().map_or(1, |record| record_digest(record)),
        Reply::Replaced(nightly_domain::ports::Replaced::Lost(Some(record))) => hashed(&("lost", record_digest(record))),
        Reply::Entries(entries) => hashed(&entries.last().map(|entry| entry.hash.to_string())),
        other => hashed(&format!("{other:?}")),
    }
}

pub(super) fn hashed(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
