//! The people who are asked: what they do with a mail, with a page, and with what goes wrong.

use lambda_http::http::Method;
use lambda_http::{Body, Request, RequestExt};

use crate::chance::Chance;
use crate::story::{DEPUTY, Temper};

/// What somebody is up to.
#[derive(Debug, Clone)]
pub(crate) enum Deed {
    /// A mail arrives.
    Receives { path: String, subject: String },
    /// Their mail program follows the link.
    Scans { path: String, method: Method },
    /// They follow it.
    Opens { path: String, tries: u8 },
    /// They send the page's form.
    Presses { path: String, form: &'static str, tries: u8 },
    /// Their browser is sent on after a form.
    IsSentOn { path: String, tries: u8 },
}

/// What somebody has in mind.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mind {
    /// They are about to act.
    pub(crate) busy: bool,
    /// They have seen how it stands, and do nothing more about this question.
    pub(crate) satisfied: bool,
    /// What they have pressed so far.
    pub(crate) pressed: u8,
}

pub(crate) const APPROVE: &str = "decision=approve&seen=yes";
pub(crate) const REJECT: &str = "decision=reject&reason=The+figures+look+wrong.";
const HAND_ON: &str = "decision=hand-on&to=d.lind%40nordvik.example";
const EXTEND: &str = "decision=extend";

/// How long somebody takes to open a mail, in milliseconds. `None` never does.
pub(crate) fn opens_after(temper: Temper, chance: &mut Chance) -> Option<i64> {
    let (least, most) = match temper {
        Temper::Absent => return None,
        Temper::Prompt => (20, 240),
        Temper::Slow | Temper::Extending => (1_700, 2_600),
        Temper::Late => (2_680, 3_500),
        Temper::DoubleClicking | Temper::Looking | Temper::ChangingTheirMind => (30, 300),
        Temper::Rejecting | Temper::HandingOn => (30, 900),
    };
    Some(chance.between(least, most) * 1000)
}

/// What somebody presses on a page that asks, after so many presses.
pub(crate) fn presses(temper: Temper, pressed: u8, address: &str) -> Option<&'static str> {
    match (temper, pressed) {
        (Temper::Absent | Temper::Looking, _) => None,
        (Temper::Rejecting, _) => Some(REJECT),
        (Temper::HandingOn, 0) if address != DEPUTY => Some(HAND_ON),
        (Temper::Extending, 0) => Some(EXTEND),
        _ => Some(APPROVE),
    }
}

/// A page, as far as people look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) status: u16,
    /// The title, and the sentence below it.
    pub(crate) title: String,
    pub(crate) lead: String,
    /// It asks for an answer.
    pub(crate) asks: bool,
}

impl Page {
    pub(crate) fn read(status: u16, body: &str) -> Self {
        let within = |start: &str, end: &str| Some(body.split_once(start)?.1.split_once(end)?.0.replace('\u{a0}', " "));
        let is_over = body.contains(r#"<main class="end-state">"#);
        Self {
            status,
            title: within("<h1>", "</h1>").unwrap_or_default(),
            lead: if is_over { within("</h1>\n<p>", "</p>").unwrap_or_default() } else { String::new() },
            asks: !is_over && body.contains("name=\"decision\""),
        }
    }

    /// The reader is asked to come again.
    pub(crate) fn failed(&self) -> bool {
        self.status >= 500
    }
}

/// A browser's request, or a scanner's.
pub(crate) fn request(method: Method, path: &str, form: &str, scanner: bool) -> Request {
    let mut request = Request::new(Body::from(form)).with_raw_http_path(path);
    *request.method_mut() = method;
    let browser: &[(&'static str, &'static str)] = &[
        ("content-type", "application/x-www-form-urlencoded"),
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"),
        ("accept", "text/html,application/xhtml+xml"),
        ("accept-language", "en"),
        ("sec-fetch-site", "same-origin"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
    ];
    let headers = if scanner { &[("user-agent", "Mozilla/5.0 (compatible; SafeLinks scanner)")][..] } else { browser };
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().expect("a header"));
    }
    request
}

/// The path of a link in a text.
pub(crate) fn path(text: &str) -> Option<&str> {
    let address = &text[text.find("/approvals/")?..];
    let end = address.find(|character: char| !(character.is_ascii_alphanumeric() || "/-_".contains(character)));
    Some(&address[..end.unwrap_or(address.len())])
}
