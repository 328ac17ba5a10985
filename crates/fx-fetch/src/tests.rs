//! The fetch on in-memory ports, and with real HTTP against a source on loopback that fails in every way.

mod loopback;

use std::sync::Arc;
use std::time::Duration;

use nightly_aws::fx::{Frankfurter, Timeouts};
use nightly_domain::memory::{Fate, Gate, MemoryObjects};
use nightly_domain::rates::memory::{ListedSource, NotedPauses};
use proptest::prelude::*;

use super::*;
use loopback::{Loopback, Reply};

const CURRENCIES: &str = "s3://work/night/transform-orders/_currencies.json";
const RATES: &str = "s3://warehouse/reference/fx/rate_date=2026-11-20/rates.csv";

fn uri(text: &str) -> ObjectUri {
    text.parse().unwrap()
}

fn code(text: &str) -> CurrencyCode {
    text.parse().unwrap()
}

type InMemory<Source> = Ports<MemoryObjects, Source, NotedPauses>;

fn ports<Source>(currencies: &str, source: Source) -> InMemory<Source> {
    let objects = MemoryObjects::default();
    objects.put(&uri(CURRENCIES), currencies);
    ports_on(objects, source)
}

fn ports_on<Source>(objects: MemoryObjects, source: Source) -> InMemory<Source> {
    Ports {
        objects,
        source,
        pauses: NotedPauses::default(),
        settings: Settings { base_currency: code("EUR"), source_name: "frankfurter".into(), maximum_age_days: 5 },
    }
}

fn request() -> Request {
    Request { run_date: RunDate::parse("2026-11-20").unwrap(), currencies_uri: uri(CURRENCIES), rates_uri: uri(RATES) }
}

async fn written(ports: &InMemory<impl RateSource>) -> String {
    String::from_utf8(ports.objects.read(&uri(RATES)).await.unwrap().expect("a table was written")).unwrap()
}

async fn failure(ports: &InMemory<impl RateSource>) -> (&'static str, String) {
    ports.objects.put(&uri(RATES), "yesterday's try");
    let error = handle(ports, request()).await.unwrap_err();
    assert_eq!(written(ports).await, "yesterday's try", "a failed fetch leaves the table as it was");
    (error.name(), error.to_string())
}

fn quotes(rates: &[(&str, &str)]) -> Quotes {
    let quotes = rates.iter().map(|(text, rate)| (code(text), rate.parse().unwrap())).collect();
    Quotes { base: code("EUR"), effective_date: "2026-11-20".parse().unwrap(), quotes }
}

fn no_quotes(again: AskAgain) -> Result<Quotes, NoQuotes> {
    Err(NoQuotes { reason: "503 Service Unavailable".into(), again })
}

mod in_memory {
    use super::*;

    #[tokio::test]
    async fn the_whole_table_is_written() {
        let ports = ports(
            r#"{"currencies": ["EUR", "SEK", "USD"]}"#,
            ListedSource::new([Ok(quotes(&[("USD", "1.0823"), ("SEK", "10.9780"), ("JPY", "175")]))]),
        );
        let fetched = handle(&ports, request()).await.unwrap();

        assert_eq!(
            written(&ports).await,
            "rate_date,effective_date,base,quote,rate,source\n\
             2026-11-20,2026-11-20,EUR,EUR,1,frankfurter\n\
             2026-11-20,2026-11-20,EUR,SEK,10.9780,frankfurter\n\
             2026-11-20,2026-11-20,EUR,USD,1.0823,frankfurter\n"
        );
        assert_eq!(ports.source.questions(), [(RunDate::parse("2026-11-20").unwrap(), code("EUR"))]);
        assert_eq!(
            serde_json::to_value(fetched).unwrap(),
            serde_json::json!({"effectiveDate": "2026-11-20", "source": "frankfurter", "currencies": ["EUR", "SEK", "USD"], "ratesUri": RATES})
        );
    }

    #[tokio::test]
    async fn a_day_in_the_base_currency_asks_nobody() {
        let ports = ports(r#"{"currencies": ["EUR"]}"#, ListedSource::default());
        let fetched = handle(&ports, request()).await.unwrap();

        assert_eq!(ports.source.questions(), []);
        assert_eq!((fetched.effective_date.to_string().as_str(), fetched.source.as_str()), ("2026-11-20", "identity"));
        assert!(written(&ports).await.ends_with("\n2026-11-20,2026-11-20,EUR,EUR,1,identity\n"));
    }

    #[tokio::test]
    async fn pauses_grow_and_the_third_try_is_the_last() {
        let ports = ports(r#"{"currencies": ["USD"]}"#, ListedSource::new([AskAgain::Soon; 4].map(no_quotes)));
        let (name, message) = failure(&ports).await;

        assert_eq!((name, ports.source.questions().len()), ("RatesUnavailable", 3));
        assert_eq!(
            message,
            "rates.example gave no rates for 2026-11-20, asked 3 times: 503 Service Unavailable; 503 Service Unavailable; 503 Service Unavailable"
        );
        let seconds: Vec<_> =
            ports.pauses.noted().iter().map(|(shortest, longest)| (shortest.as_secs_f32(), longest.as_secs_f32())).collect();
        assert_eq!(seconds, [(0.5, 1.0), (1.0, 2.0)]);
    }

    #[tokio::test]
    async fn a_source_that_asks_for_time_is_given_it() {
        let wait = Duration::from_millis(1500);
        let ports =
            ports(r#"{"currencies": ["USD"]}"#, ListedSource::new([no_quotes(AskAgain::After(wait)), Ok(quotes(&[("USD", "1.1")]))]));
        handle(&ports, request()).await.unwrap();
        assert_eq!(ports.pauses.noted(), [(wait, wait + Duration::from_millis(500))]);
    }

    #[tokio::test]
    async fn a_source_that_asks_for_too_much_time_is_given_up() {
        for wait in [Duration::from_secs(30), Duration::MAX] {
            let ports = ports(r#"{"currencies": ["USD"]}"#, ListedSource::new([no_quotes(AskAgain::After(wait))]));
            let (name, message) = failure(&ports).await;
            assert_eq!((name, ports.source.questions().len(), ports.pauses.noted().len()), ("RatesUnavailable", 1, 0));
            assert!(message.contains("asked once: 503"), "{message}");
        }
    }

    #[tokio::test]
    async fn a_final_answer_is_not_questioned() {
        let ports = ports(r#"{"currencies": ["USD"]}"#, ListedSource::new([no_quotes(AskAgain::Never), Ok(quotes(&[("USD", "1.1")]))]));
        assert_eq!(failure(&ports).await.0, "RatesUnavailable");
        assert_eq!(ports.source.questions().len(), 1);
    }

    #[tokio::test]
    async fn a_list_that_cannot_be_read_is_named() {
        for (list, problem) in [
            ("", "can't be read"),
            (r#"{"currencies": "EUR"}"#, "can't be read"),
            (r#"{"currencies": ["Euro"]}"#, "can't be read"),
            (r#"{"currencies": []}"#, "is empty"),
        ] {
            let (name, message) = failure(&ports(list, ListedSource::default())).await;
            assert_eq!(name, "CurrenciesUnreadable");
            assert!(message.contains(CURRENCIES) && message.contains(problem), "{list}: {message}");
        }

        let failure = failure(&ports_on(MemoryObjects::default(), ListedSource::default())).await;
        assert_eq!(failure, ("CurrenciesUnreadable", format!("there is no list of the day's currencies at {CURRENCIES}")));
    }

    #[tokio::test]
    async fn storage_that_is_down_is_named() {
        for call in ["Objects.read", "Objects.write"] {
            let gate = Arc::new(Gate::default());
            let objects = MemoryObjects::behind(&gate);
            objects.put(&uri(CURRENCIES), r#"{"currencies": ["EUR"]}"#);
            gate.plan(call, Fate::FailsBefore);
            assert_eq!(failure(&ports_on(objects, ListedSource::default())).await.0, "StorageUnavailable", "{call}");
        }
    }

    #[test]
    fn an_event_names_what_does_not_fit() {
        let mut event = serde_json::json!({"runDate": "2026-11-20", "currenciesUri": CURRENCIES, "ratesUri": RATES});
        assert!(serde_json::from_value::<Request>(event.clone()).is_ok());
        event["runDate"] = "2026-11-31".into();
        assert!(serde_json::from_value::<Request>(event).unwrap_err().to_string().contains("2026-11-31"));
    }

    proptest! {
        #[test]
        fn every_record_has_its_six_fields_whatever_the_source_is_called(source in "\\PC{0,12}", rate in 1_i64..1_000_000, scale in 0_u32..8) {
            let needed = RatesNeeded { run_date: request().run_date, base: code("EUR"), currencies: [code("EUR"), code("USD")].into() };
            let rate = rust_decimal::Decimal::new(rate, scale);
            let mut answer = quotes(&[]);
            answer.quotes.insert(code("USD"), rate);
            let table = RateTable::build(&needed, &answer, &source, 5).expect("a table");

            let written = csv(&table);
            let records: Vec<csv::StringRecord> = csv::Reader::from_reader(&written[..]).records().map(|record| record.expect("a record")).collect();
            prop_assert_eq!(records.len(), 2);
            prop_assert_eq!(&records[1], &csv::StringRecord::from(vec!["2026-11-20", "2026-11-20", "EUR", "USD", &rate.to_string(), &source]));
        }
    }
}

mod over_http {
    use super::*;

    const SOUND: &str = r#"{"amount":1.0,"base":"EUR","date":"2026-11-20","rates":{"SEK":10.978,"USD":1.0823}}"#;

    fn on_loopback(replies: impl IntoIterator<Item = Reply>) -> (Loopback, InMemory<Frankfurter>) {
        let server = Loopback::start(replies);
        let source = format!("http://{}/v1", server.address()).parse().unwrap();
        (server, ports(r#"{"currencies": ["EUR", "USD"]}"#, source))
    }

    async fn refusal(reply: Reply) -> (&'static str, String) {
        let (server, ports) = on_loopback([reply]);
        let failure = failure(&ports).await;
        assert_eq!(server.requests().len(), 1, "asking again would bring the same");
        failure
    }

    #[tokio::test]
    async fn the_question_is_asked_in_the_providers_words() {
        let (server, ports) = on_loopback([Reply::json(SOUND)]);
        handle(&ports, request()).await.unwrap();
        assert_eq!(server.requests(), ["GET /v1/2026-11-20?base=EUR HTTP/1.1"]);
        assert!(written(&ports).await.ends_with("EUR,USD,1.0823,frankfurter\n"));
    }

    #[tokio::test]
    async fn a_source_that_recovers_is_asked_until_it_answers() {
        let (server, ports) =
            on_loopback([Reply::status("503 Service Unavailable"), Reply::status("429 Too Many Requests"), Reply::json(SOUND)]);
        handle(&ports, request()).await.unwrap();
        assert_eq!((server.requests().len(), ports.pauses.noted().len()), (3, 2));
    }

    #[tokio::test]
    async fn a_source_that_is_down_is_named_with_each_of_its_answers() {
        let (server, mut ports) = on_loopback([Reply::status("503 Service Unavailable"), Reply::Silence, Reply::status("502 Bad Gateway")]);
        let second = Timeouts { connect: Duration::from_secs(1), exchange: Duration::from_secs(1) };
        ports.source = Frankfurter::new(&format!("http://{}/v1", server.address()), second).unwrap();
        let (name, message) = failure(&ports).await;
        assert_eq!(name, "RatesUnavailable");
        assert_eq!(
            message,
            format!(
                "{} gave no rates for 2026-11-20, asked 3 times: 503 Service Unavailable; no answer within 1 s; 502 Bad Gateway",
                server.address()
            )
        );
    }

    #[tokio::test]
    async fn nobody_listening_is_a_missing_connection() {
        let (server, ports) = on_loopback([]);
        server.stop();
        let (name, message) = failure(&ports).await;
        assert_eq!(name, "RatesUnavailable");
        assert_eq!(message.matches("no connection (Connection refused").count(), 3, "{message}");
    }

    #[tokio::test]
    async fn a_truncated_answer_is_asked_for_again() {
        let (server, ports) = on_loopback([Reply::truncated(SOUND), Reply::json(SOUND)]);
        handle(&ports, request()).await.unwrap();
        assert_eq!(server.requests().len(), 2);
    }

    #[tokio::test]
    async fn a_source_may_say_when_to_come_back() {
        let busy = || Reply::Raw("HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n".into());
        let (_server, ports) = on_loopback([busy(), Reply::json(SOUND)]);
        handle(&ports, request()).await.unwrap();
        assert_eq!(ports.pauses.noted(), [(Duration::from_secs(2), Duration::from_millis(2500))]);
    }

    #[tokio::test]
    async fn an_unknown_date_is_final() {
        let (name, message) = refusal(Reply::status("404 Not Found")).await;
        assert_eq!(name, "RatesUnavailable");
        assert!(message.ends_with("asked once: 404 Not Found"), "{message}");
    }

    #[tokio::test]
    async fn garbage_is_final_and_says_why() {
        let (name, message) = refusal(Reply::json("<html>welcome</html>")).await;
        assert_eq!(name, "RatesUnavailable");
        assert!(message.ends_with("asked once: an answer that can't be read (expected value at line 1 column 1)"), "{message}");
    }

    #[tokio::test]
    async fn an_endless_answer_is_cut_off() {
        let (name, message) = refusal(Reply::json(&" ".repeat(3 << 20))).await;
        assert_eq!(name, "RatesUnavailable");
        assert!(message.contains("more than 1048576 bytes"), "{message}");
    }

    #[tokio::test]
    async fn another_base_is_a_mismatch() {
        let (name, message) = refusal(Reply::json(r#"{"base":"USD","date":"2026-11-20","rates":{"EUR":0.92}}"#)).await;
        assert_eq!((name, message.as_str()), ("RatesMismatched", "asked for rates of one EUR, answered with rates of one USD"));
    }

    #[tokio::test]
    async fn a_missing_currency_is_named() {
        let (name, message) = refusal(Reply::json(r#"{"base":"EUR","date":"2026-11-20","rates":{"SEK":10.978}}"#)).await;
        assert_eq!(name, "RatesIncomplete");
        assert!(message.starts_with("no rate for USD on 2026-11-20"), "{message}");
    }

    #[tokio::test]
    async fn stale_rates_are_named_with_both_dates_and_the_limit() {
        let (name, message) = refusal(Reply::json(r#"{"base":"EUR","date":"2026-11-13","rates":{"USD":1.08}}"#)).await;
        assert_eq!(name, "RatesStale");
        for part in ["2026-11-20", "2026-11-13", "at most 5 days"] {
            assert!(message.contains(part), "{message}");
        }
    }
}
