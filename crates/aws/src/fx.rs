//! The HTTP side of exchange rates: a source that speaks the format of Frankfurter v1, and pauses that really take time.

use std::collections::BTreeMap;
use std::error::Error;
use std::str::FromStr;
use std::time::Duration;

use jiff::civil::Date;
use jiff::fmt::rfc2822;
use nightly_domain::rates::{AskAgain, NoQuotes, Pauses, Quotes, RateSource};
use nightly_domain::{CurrencyCode, RunDate};
use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::value::RawValue;

/// A server that answers `GET <address>/<date>?base=<code>` as <https://frankfurter.dev/v1/> describes.
///
/// The question leaves out `symbols`: a source that knows none of the symbols answers 404, exactly as for a date that it doesn't know,
/// and the two must not be confused. All of a day's rates are less than a kilobyte.
#[derive(Debug, Clone)]
pub struct Frankfurter {
    client: Client,
    address: String,
    host: String,
    exchange_timeout: Duration,
}

/// How long to wait, for a connection and for the whole exchange including it.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// Until the connection stands.
    pub connect: Duration,
    /// Until the last byte of the answer.
    pub exchange: Duration,
}

/// Text that names no source.
#[derive(Debug, thiserror::Error)]
pub enum InvalidSource {
    /// Not an address of a server.
    #[error("not an http or https address without query, such as https://api.frankfurter.dev/v1")]
    Address,
    /// The machine can't make connections of this kind.
    #[error("no client for it: {0}")]
    Client(reqwest::Error),
}

/// Far more than a day's rates, far less than what would hurt.
const MAXIMUM_ANSWER_BYTES: usize = 1 << 20;

impl Frankfurter {
    /// The source at `address`.
    pub fn new(address: &str, timeouts: Timeouts) -> Result<Self, InvalidSource> {
        let url = Url::parse(address).map_err(|_| InvalidSource::Address)?;
        let plain = matches!(url.scheme(), "http" | "https") && url.query().is_none() && url.fragment().is_none();
        let host = url.host_str().filter(|_| plain).ok_or(InvalidSource::Address)?;
        let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let client = Client::builder()
            .connect_timeout(timeouts.connect)
            .timeout(timeouts.exchange)
            .user_agent(concat!("nightly-warehouse/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(InvalidSource::Client)?;
        Ok(Self { client, address: address.trim_end_matches('/').to_owned(), host, exchange_timeout: timeouts.exchange })
    }

    async fn exchange(&self, date: RunDate, base: CurrencyCode) -> Result<Vec<u8>, NoQuotes> {
        let unanswered = |error| self.unanswered(&error);
        let response = self.client.get(format!("{}/{date}?base={base}", self.address)).send().await.map_err(unanswered)?;
        if response.status().is_success() { self.body(response).await } else { Err(declined(&response)) }
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, NoQuotes> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unanswered(&error))? {
            body.extend_from_slice(&chunk);
            if body.len() > MAXIMUM_ANSWER_BYTES {
                return Err(unreadable(format_args!("more than {MAXIMUM_ANSWER_BYTES} bytes")));
            }
        }
        Ok(body)
    }

    /// Nothing arrived, or not all of it.
    fn unanswered(&self, error: &reqwest::Error) -> NoQuotes {
        let again = if error.is_builder() || error.is_redirect() { AskAgain::Never } else { AskAgain::Soon };
        let reason = if error.is_timeout() {
            format!("no answer within {} s", self.exchange_timeout.as_secs_f32())
        } else {
            let what = if error.is_connect() { "no connection" } else { "the answer broke off" };
            // The last cause is the one that says something: what stands around it is how the libraries are nested.
            let mut cause: &dyn Error = error;
            while let Some(next) = cause.source() {
                cause = next;
            }
            format!("{what} ({cause})")
        };
        NoQuotes { reason, again }
    }
}

impl FromStr for Frankfurter {
    type Err = InvalidSource;

    fn from_str(address: &str) -> Result<Self, Self::Err> {
        Self::new(address, Timeouts { connect: Duration::from_secs(2), exchange: Duration::from_secs(5) })
    }
}

impl RateSource for Frankfurter {
    fn host(&self) -> &str {
        &self.host
    }

    async fn ask(&self, date: RunDate, base: CurrencyCode) -> Result<Quotes, NoQuotes> {
        read(&self.exchange(date, base).await?)
    }
}

fn declined(response: &Response) -> NoQuotes {
    let status = response.status();
    let again = if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        retry_after(response.headers()).map_or(AskAgain::Soon, AskAgain::After)
    } else {
        AskAgain::Never
    };
    NoQuotes { reason: status.to_string(), again }
}

/// RFC 9110, section 10.2.3: seconds, or a date, which is counted from the server's own clock.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: HeaderName| headers.get(name)?.to_str().ok();
    let wait = text(RETRY_AFTER)?;
    let instant = |text: &str| rfc2822::parse(text).ok();
    wait.parse().ok().map(Duration::from_secs).or_else(|| instant(wait)?.duration_since(&instant(text(DATE)?)?).try_into().ok())
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    amount: Option<&'a RawValue>,
    base: CurrencyCode,
    date: Date,
    #[serde(borrow)]
    rates: BTreeMap<String, &'a RawValue>,
}

fn read(body: &[u8]) -> Result<Quotes, NoQuotes> {
    let answer: Answer<'_> = serde_json::from_slice(body).map_err(unreadable)?;
    if answer.amount.is_some_and(|amount| number(amount) != Some(Decimal::ONE)) {
        return Err(unreadable("rates of another amount than one unit"));
    }
    let mut quotes = BTreeMap::new();
    for (text, rate) in answer.rates {
        // What isn't a currency code is nothing that a night can need.
        let Ok(code) = text.parse::<CurrencyCode>() else { continue };
        quotes.insert(code, number(rate).ok_or_else(|| unreadable(format_args!("the rate of {code} is no number: {rate}")))?);
    }
    Ok(Quotes { base: answer.base, effective_date: answer.date, quotes })
}

/// The number as it stands in the text: it never was binary.
fn number(text: &RawValue) -> Option<Decimal> {
    Decimal::from_str_exact(text.get()).or_else(|_| Decimal::from_scientific(text.get())).ok()
}

fn unreadable(problem: impl std::fmt::Display) -> NoQuotes {
    NoQuotes { reason: format!("an answer that can't be read ({problem})"), again: AskAgain::Never }
}

/// Pauses on the runtime's clock.
#[derive(Debug, Clone, Copy)]
pub struct Sleep;

impl Pauses for Sleep {
    async fn pause(&self, shortest: Duration, longest: Duration) {
        // Without randomness the pause is as long as it may be: still right, only no longer spread.
        let share = getrandom::u32().map_or(1.0, |number| f64::from(number) / f64::from(u32::MAX));
        tokio::time::sleep(shortest + longest.saturating_sub(shortest).mul_f64(share)).await;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reason(body: &str) -> String {
        let refused = read(body.as_bytes()).unwrap_err();
        assert_eq!(refused.again, AskAgain::Never);
        refused.reason
    }

    #[test]
    fn numbers_keep_every_digit_of_the_text() {
        let body =
            r#"{"amount":1.0,"base":"EUR","date":"2026-11-20","rates":{"USD":1.10,"IDR":20275.170000000001,"BTC":1.05e-5,"_note":"x"}}"#;
        let quotes = read(body.as_bytes()).unwrap();
        let rates: Vec<_> = quotes.quotes.iter().map(|(code, rate)| format!("{code} {rate}")).collect();
        assert_eq!(rates, ["BTC 0.0000105", "IDR 20275.170000000001", "USD 1.10"]);
        assert_eq!((quotes.base.as_str(), quotes.effective_date.to_string().as_str()), ("EUR", "2026-11-20"));
    }

    #[test]
    fn an_unreadable_answer_says_why() {
        assert!(reason("<html>").contains("expected value at line 1"), "{}", reason("<html>"));
        assert!(reason(r#"{"base":"EUR","date":"2026-11-20"}"#).contains("missing field `rates`"));
        assert!(reason(r#"{"base":"euro","date":"2026-11-20","rates":{}}"#).contains("«euro» is not a currency code"));
        assert!(reason(r#"{"base":"EUR","date":"2026-11-20","rates":{"USD":null}}"#).contains("the rate of USD is no number: null"));
        assert!(reason(r#"{"base":"EUR","date":"2026-11-20","rates":{"USD":"1.1"}}"#).contains("the rate of USD is no number"));
        assert!(reason(r#"{"amount":100,"base":"EUR","date":"2026-11-20","rates":{"USD":110}}"#).contains("another amount"));
    }

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let headers = |pairs: &[(HeaderName, &str)]| -> HeaderMap {
            pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
        };
        let now = (DATE, "Sat, 21 Nov 2026 21:30:51 GMT");
        assert_eq!(retry_after(&headers(&[(RETRY_AFTER, "3")])), Some(Duration::from_secs(3)));
        assert_eq!(retry_after(&headers(&[(RETRY_AFTER, "Sat, 21 Nov 2026 21:31:00 GMT"), now.clone()])), Some(Duration::from_secs(9)));
        assert_eq!(retry_after(&headers(&[(RETRY_AFTER, "Sat, 21 Nov 2026 21:30:00 GMT"), now.clone()])), None, "it is over");
        assert_eq!(retry_after(&headers(&[(RETRY_AFTER, "soon"), now])), None);
        assert_eq!(retry_after(&headers(&[])), None);
    }

    #[test]
    fn only_a_servers_address_names_a_source() {
        let host = |text: &str| text.parse::<Frankfurter>().map(|source| source.host().to_owned());
        assert_eq!(host("https://api.frankfurter.dev/v1/").unwrap(), "api.frankfurter.dev");
        assert_eq!(host("http://127.0.0.1:4567/v1").unwrap(), "127.0.0.1:4567");
        for text in ["", "api.frankfurter.dev/v1", "file:///v1", "https://api.frankfurter.dev/v1?base=USD", "s3://rates/v1#x"] {
            assert!(matches!(host(text), Err(InvalidSource::Address)), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_published_number_arrives_digit_by_digit(whole in 0_u32..1_000_000, digits in "[0-9]{1,12}") {
            let published = format!("{whole}.{digits}");
            let body = format!(r#"{{"base":"EUR","date":"2026-11-20","rates":{{"USD":{published}}}}}"#);
            let quotes = read(body.as_bytes()).expect("a sound answer").quotes;
            prop_assert_eq!(quotes.values().map(ToString::to_string).collect::<Vec<_>>(), [published]);
        }

        #[test]
        fn no_answer_brings_the_reader_down(body in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(read(&body).is_err());
        }
    }
}
