//! One run date's exchange rates: reads which currencies the day needs, asks one source, writes one complete table.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::civil::Date;
use nightly_domain::ports::{Objects, PortError};
use nightly_domain::rates::{AskAgain, NoQuotes, Pauses, Quotes, RateSource, RatesNeeded, RatesRefused};
use nightly_domain::{CurrencyCode, Named, ObjectUri, RateTable, RunDate};
use serde::{Deserialize, Serialize};

/// What the function needs from the world.
#[derive(Debug)]
pub struct Ports<Store, Source, Waiting> {
    pub objects: Store,
    pub source: Source,
    pub pauses: Waiting,
    pub settings: Settings,
}

/// What the deployment decides.
#[derive(Debug)]
pub struct Settings {
    pub base_currency: CurrencyCode,
    /// The name of the source, as it is written into the table.
    pub source_name: String,
    pub maximum_age_days: u16,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    pub run_date: RunDate,
    pub currencies_uri: ObjectUri,
    pub rates_uri: ObjectUri,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fetched {
    pub effective_date: Date,
    pub source: String,
    pub currencies: Vec<CurrencyCode>,
    pub rates_uri: ObjectUri,
}

/// The pauses before the second and the third try: the shortest, and how much longer it may be.
///
/// With five seconds a try and [`PATIENCE`], the worst fetch takes 21 seconds. It has to end well within the join that runs beside it,
/// so that the night is never longer for it; the state machine's own Retry comes on top.
const BACKOFF: [(Duration, Duration); 2] =
    [(Duration::from_millis(500), Duration::from_millis(500)), (Duration::from_secs(1), Duration::from_secs(1))];

/// The most that all pauses may take together, whatever the source asks for.
const PATIENCE: Duration = Duration::from_secs(6);

/// Writes the table, or fails by name and leaves the one that may be there untouched.
pub async fn handle(ports: &Ports<impl Objects, impl RateSource, impl Pauses>, request: Request) -> Result<Fetched, FetchFailed> {
    let Settings { base_currency, source_name, maximum_age_days } = &ports.settings;
    let currencies = needed_currencies(&ports.objects, &request.currencies_uri).await?;
    let needed = RatesNeeded { run_date: request.run_date, base: *base_currency, currencies };

    let table = match RateTable::of_base_alone(&needed) {
        Some(table) => table,
        None => RateTable::build(&needed, &ask(&ports.source, &ports.pauses, &needed).await?, source_name, *maximum_age_days)?,
    };
    ports.objects.write(&request.rates_uri, "text/csv", csv(&table)).await?;

    let (effective_date, source) = (table.effective_date(), table.source().to_owned());
    let currencies: Vec<_> = table.rates().map(|(code, _)| code).collect();
    tracing::info!(run_date = %request.run_date, %effective_date, source, currencies = currencies.len(), rates_uri = %request.rates_uri, "rates written");
    Ok(Fetched { effective_date, source, currencies, rates_uri: request.rates_uri })
}

async fn needed_currencies(objects: &impl Objects, uri: &ObjectUri) -> Result<BTreeSet<CurrencyCode>, FetchFailed> {
    #[derive(Deserialize)]
    struct List {
        currencies: BTreeSet<CurrencyCode>,
    }

    let body = objects.read(uri).await?.ok_or_else(|| FetchFailed::NoCurrencyList { uri: uri.clone() })?;
    let List { currencies } =
        serde_json::from_slice(&body).map_err(|source| FetchFailed::MalformedCurrencyList { uri: uri.clone(), source })?;
    if currencies.is_empty() { Err(FetchFailed::EmptyCurrencyList { uri: uri.clone() }) } else { Ok(currencies) }
}

async fn ask(source: &impl RateSource, pauses: &impl Pauses, needed: &RatesNeeded) -> Result<Quotes, FetchFailed> {
    let mut answers = Vec::new();
    let mut patience = PATIENCE;
    let mut backoff = BACKOFF.into_iter();
    loop {
        let NoQuotes { reason, again } = match source.ask(needed.run_date, needed.base).await {
            Ok(quotes) => return Ok(quotes),
            Err(none) => none,
        };
        tracing::warn!(host = source.host(), run_date = %needed.run_date, attempt = answers.len() + 1, reason, "the source gave no rates");
        answers.push(reason);

        let wait = match again {
            AskAgain::Never => None,
            AskAgain::Soon => Some(Duration::ZERO),
            AskAgain::After(wait) => Some(wait),
        };
        let pause =
            wait.zip(backoff.next()).map(|(wait, (shortest, spread))| (shortest.max(wait), shortest.max(wait).saturating_add(spread)));
        match pause {
            Some((shortest, longest)) if longest <= patience => {
                patience -= longest;
                pauses.pause(shortest, longest).await;
            }
            _ => return Err(FetchFailed::Unavailable { host: source.host().to_owned(), run_date: needed.run_date, answers }),
        }
    }
}

fn csv(table: &RateTable) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let written = writer.write_record(["rate_date", "effective_date", "base", "quote", "rate", "source"]).and_then(|()| {
        table.rates().try_for_each(|(quote, rate)| {
            let (rate_date, effective_date, rate) = (table.rate_date().to_string(), table.effective_date().to_string(), rate.to_string());
            writer.write_record([rate_date.as_str(), &effective_date, table.base().as_str(), quote.as_str(), &rate, table.source()])
        })
    });
    written.expect("six fields in each record, written to memory");
    writer.into_inner().expect("memory takes every byte")
}

/// Why there is no table for the run date.
#[derive(Debug, thiserror::Error)]
pub enum FetchFailed {
    #[error("{host} gave no rates for {run_date}, asked {}: {}", times(answers.len()), answers.join("; "))]
    Unavailable { host: String, run_date: RunDate, answers: Vec<String> },
    #[error(transparent)]
    Refused(#[from] RatesRefused),
    #[error("there is no list of the day's currencies at {uri}")]
    NoCurrencyList { uri: ObjectUri },
    #[error("the list of the day's currencies at {uri} can't be read")]
    MalformedCurrencyList { uri: ObjectUri, source: serde_json::Error },
    #[error("the list of the day's currencies at {uri} is empty")]
    EmptyCurrencyList { uri: ObjectUri },
    #[error("the stored objects can't be reached")]
    Storage(#[from] PortError),
}

fn times(count: usize) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        _ => format!("{count} times"),
    }
}

impl Named for FetchFailed {
    fn name(&self) -> &'static str {
        match self {
            Self::Unavailable { .. } => "RatesUnavailable",
            Self::Refused(refused) => refused.name(),
            Self::NoCurrencyList { .. } | Self::MalformedCurrencyList { .. } | Self::EmptyCurrencyList { .. } => "CurrenciesUnreadable",
            Self::Storage(_) => "StorageUnavailable",
        }
    }
}
