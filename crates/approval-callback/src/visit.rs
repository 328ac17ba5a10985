//! Who opens the page: noted in the audit, so that it is known who has looked, and what has only followed a link.

use jiff::Timestamp;
use lambda_http::Request;
use lambda_http::http::header::{ACCEPT, ACCEPT_LANGUAGE, USER_AGENT};
use lambda_http::http::{HeaderName, Method};
use nightly_domain::approval::Approval;
use nightly_domain::audit::{self, Event, Occurrence, Reader};
use nightly_domain::ports::Desk;

use crate::{Holder, header};

/// What programs that follow links before people do, or in their place, call themselves: mail gateways, previews of chats, crawlers,
/// libraries. In lower case.
const PROGRAMS: &[&str] = &[
    "barracuda",
    "bot",
    "cloudmark",
    "crawler",
    "curl/",
    "discord",
    "facebookexternalhit",
    "fireeye",
    "forcepoint",
    "ggpht.com",
    "go-http-client",
    "googleimageproxy",
    "headless",
    "java/",
    "libwww",
    "linkcheck",
    "mimecast",
    "ms-office",
    "msoffice",
    "okhttp",
    "phantomjs",
    "preview",
    "proofpoint",
    "python",
    "safelinks",
    "scanner",
    "skypeuripreview",
    "slack-imgproxy",
    "sophos",
    "spider",
    "symantec",
    "trendmicro",
    "urldefense",
    "wget",
    "whatsapp",
    "zscaler",
];

/// Who seems to read. A program that behaves like a browser in every way is taken for a person: nothing is decided by it, and nothing but
/// the audit tells the two apart.
pub(crate) fn reader(request: &Request) -> Reader {
    let says = |name: HeaderName| header(request, &name).unwrap_or_default().to_lowercase();
    let named = |name| says(HeaderName::from_static(name));
    let program = says(USER_AGENT);
    let is_known_program = PROGRAMS.iter().any(|known| program.contains(known));
    let is_early = [named("sec-purpose"), named("purpose"), named("x-moz")].iter().any(|purpose| purpose.contains("prefetch"));
    // What every browser has sent with the opening of a page since 2023 (Fetch Metadata Request Headers; RFC 9110, 12.5).
    let is_like_a_browser = program.starts_with("mozilla/")
        && says(ACCEPT).contains("text/html")
        && !says(ACCEPT_LANGUAGE).is_empty()
        && named("sec-fetch-mode") == "navigate";
    let opens = *request.method() == Method::GET && is_like_a_browser && !is_known_program && !is_early;
    if opens { Reader::Person } else { Reader::Scanner }
}

/// Notes the visit, if that can be done: the page is shown all the same.
pub(crate) async fn note(desk: &impl Desk, approval: &Approval, holder: Holder, reader: Reader, at: Timestamp) {
    let approver = match holder {
        Holder::Approver(place) => Some(approval.approvers[place].address.clone()),
        Holder::Superseded(place) => Some(approval.superseded[place].address.clone()),
        Holder::Viewer => None,
    };
    let visit = Occurrence { at, generation: approval.generation, approver, event: Event::Viewed { reader } };
    if let Err(error) = audit::append(desk.audit(), &approval.id, &[visit]).await {
        tracing::warn!(approval = %approval.id, error = &error as &dyn std::error::Error, "a visit is not in the audit");
    }
}

#[cfg(test)]
mod tests {
    use lambda_http::Body;

    use super::*;

    const BROWSER: [(&str, &str); 4] = [
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"),
        ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
        ("accept-language", "en-GB,en;q=0.5"),
        ("sec-fetch-mode", "navigate"),
    ];

    fn reads(method: &str, headers: &[(&str, &str)]) -> Reader {
        let mut request = Request::new(Body::Empty);
        *request.method_mut() = method.parse().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        reader(&request)
    }

    #[test]
    fn a_browser_that_opens_a_page_is_a_person() {
        assert_eq!(reads("GET", &BROWSER), Reader::Person);
        for agent in [
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0",
            "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36",
        ] {
            let headers = [&BROWSER[1..], &[("user-agent", agent)]].concat();
            assert_eq!(reads("GET", &headers), Reader::Person, "{agent}");
        }
    }

    #[test]
    fn what_a_browser_always_sends_is_missed() {
        assert_eq!(reads("HEAD", &BROWSER), Reader::Scanner);
        for (missing, _) in BROWSER {
            let headers: Vec<_> = BROWSER.into_iter().filter(|(name, _)| *name != missing).collect();
            assert_eq!(reads("GET", &headers), Reader::Scanner, "without {missing}");
        }
        for (name, value) in [("sec-purpose", "prefetch;prerender"), ("purpose", "prefetch"), ("sec-fetch-mode", "cors"), ("accept", "*/*")]
        {
            assert_eq!(reads("GET", &[&BROWSER[..], &[(name, value)]].concat()), Reader::Scanner, "{name}: {value}");
        }
    }

    #[test]
    fn programs_that_follow_links_are_known_by_name() {
        for agent in [
            "Mozilla/5.0 (compatible; Microsoft-SafeLinks/1.0)",
            "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/120.0.0.0 Safari/537.36",
            "Mozilla/5.0 (compatible; Proofpoint URL Defense)",
            "Mozilla/5.0 (compatible; BarracudaCentral)",
            "Mozilla/5.0 (Windows NT 6.1; rv:31.0) Gecko/20100101 Firefox/31.0 Mimecast",
            "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
            "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            "Mozilla/5.0 (Windows NT 6.1) SkypeUriPreview Preview/0.5",
            "WhatsApp/2.23.20.0",
            "curl/8.14.1",
            "python-requests/2.32.3",
        ] {
            let headers = [&BROWSER[1..], &[("user-agent", agent)]].concat();
            assert_eq!(reads("GET", &headers), Reader::Scanner, "{agent}");
        }
    }
}
