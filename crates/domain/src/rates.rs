//! Exchange rates: one run date's table is complete, fresh and in the base currency, or it isn't built.

#[cfg(feature = "memory")]
pub mod memory;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::Future;
use std::str::FromStr;
use std::time::Duration;

use jiff::civil::Date;
use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};

use crate::{Named, RunDate};

/// What one night needs priced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RatesNeeded {
    /// The date that is asked for.
    pub run_date: RunDate,
    /// The currency that every amount is converted into.
    pub base: CurrencyCode,
    /// Every currency of the day's orders.
    pub currencies: BTreeSet<CurrencyCode>,
}

/// What a source answered, not yet judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quotes {
    /// The currency that one unit is quoted of.
    pub base: CurrencyCode,
    /// The day that the rates are of: on a weekend, the Friday before.
    pub effective_date: Date,
    /// How much of each currency one unit of the base buys.
    pub quotes: BTreeMap<CurrencyCode, Decimal>,
}

/// The rates of one run date, for each needed currency and no other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateTable {
    rate_date: RunDate,
    effective_date: Date,
    base: CurrencyCode,
    source: String,
    rates: BTreeMap<CurrencyCode, Rate>,
}

impl RateTable {
    /// The source that is written where no source was needed: one unit of a currency is one unit of it.
    pub const IDENTITY: &str = "identity";

    /// The table of a day whose orders are all in the base currency, or `None` where another is needed.
    ///
    /// Nobody has to be asked for it, so that such a night doesn't hang on a source that it doesn't need. The effective date is the run
    /// date: that one unit is one unit is true on every day. The source says that nobody was asked.
    pub fn of_base_alone(needed: &RatesNeeded) -> Option<Self> {
        needed.currencies.iter().eq([&needed.base]).then(|| Self {
            rate_date: needed.run_date,
            effective_date: needed.run_date.date(),
            base: needed.base,
            source: Self::IDENTITY.to_owned(),
            rates: BTreeMap::from([(needed.base, Rate::ONE)]),
        })
    }

    /// The table that `quotes` make, or what is wrong with them. `source` is the name that the table carries.
    pub fn build(needed: &RatesNeeded, quotes: &Quotes, source: &str, maximum_age_days: u16) -> Result<Self, RatesRefused> {
        if quotes.base != needed.base {
            return Err(RatesRefused::OtherBase { asked: needed.base, answered: quotes.base });
        }
        let (run_date, effective_date) = (needed.run_date, quotes.effective_date);
        let age_days = (run_date.date() - effective_date).get_days();
        if age_days < 0 {
            return Err(RatesRefused::FromTheFuture { run_date, effective_date });
        }
        if age_days > i32::from(maximum_age_days) {
            return Err(RatesRefused::Stale { run_date, effective_date, age_days, maximum_age_days });
        }

        let missing: BTreeSet<_> =
            needed.currencies.iter().copied().filter(|code| *code != needed.base && !quotes.quotes.contains_key(code)).collect();
        if !missing.is_empty() {
            return Err(RatesRefused::Incomplete { missing, run_date, effective_date });
        }
        let rates = needed
            .currencies
            .iter()
            .map(|&code| {
                let rate = if code == needed.base { Ok(Rate::ONE) } else { Rate::new(quotes.quotes[&code]) };
                rate.map(|rate| (code, rate)).map_err(|source| RatesRefused::NotARate { code, source })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { rate_date: run_date, effective_date, base: needed.base, source: source.to_owned(), rates })
    }

    /// The run date that the table is for.
    pub fn rate_date(&self) -> RunDate {
        self.rate_date
    }

    /// The day that the rates are of, never after the run date.
    pub fn effective_date(&self) -> Date {
        self.effective_date
    }

    /// The currency that one unit is quoted of.
    pub fn base(&self) -> CurrencyCode {
        self.base
    }

    /// Who said so.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Each needed currency with its rate, by code: one unit of the base is `rate` of it.
    pub fn rates(&self) -> impl ExactSizeIterator<Item = (CurrencyCode, Rate)> {
        self.rates.iter().map(|(code, rate)| (*code, *rate))
    }
}

/// Why an answer makes no table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RatesRefused {
    /// Quoted of another currency. Dividing our way to the base would price the night with rates that nobody published.
    #[error("asked for rates of one {asked}, answered with rates of one {answered}")]
    OtherBase {
        /// Our base currency.
        asked: CurrencyCode,
        /// The answer's.
        answered: CurrencyCode,
    },
    /// Rates of a day after the one asked for.
    #[error("asked for the rates of {run_date}, answered with those of {effective_date}, a later day")]
    FromTheFuture {
        /// The date asked for.
        run_date: RunDate,
        /// The answer's.
        effective_date: Date,
    },
    /// A number that can't be a rate.
    #[error("the rate of {code} can't be one")]
    NotARate {
        /// The currency.
        code: CurrencyCode,
        #[source]
        /// What is wrong with it.
        source: InvalidRate,
    },
    /// Rates of a day too long before the one asked for.
    #[error(
        "the latest rates for {run_date} are of {effective_date}, {age_days} days older; at most {maximum_age_days} days are accepted (FX_MAX_AGE_DAYS)"
    )]
    Stale {
        /// The date asked for.
        run_date: RunDate,
        /// The answer's.
        effective_date: Date,
        /// The days between the two.
        age_days: i32,
        /// The limit.
        maximum_age_days: u16,
    },
    /// No rate for a currency that the day needs.
    #[error("no rate for {} on {run_date} (the rates answered are of {effective_date})", list(.missing))]
    Incomplete {
        /// The currencies without a rate.
        missing: BTreeSet<CurrencyCode>,
        /// The date asked for.
        run_date: RunDate,
        /// The answer's.
        effective_date: Date,
    },
}

impl Named for RatesRefused {
    fn name(&self) -> &'static str {
        match self {
            Self::OtherBase { .. } | Self::FromTheFuture { .. } | Self::NotARate { .. } => "RatesMismatched",
            Self::Stale { .. } => "RatesStale",
            Self::Incomplete { .. } => "RatesIncomplete",
        }
    }
}

fn list(codes: &BTreeSet<CurrencyCode>) -> String {
    codes.iter().map(CurrencyCode::as_str).collect::<Vec<_>>().join(", ")
}

/// Whoever publishes exchange rates.
pub trait RateSource: Send + Sync {
    /// Whom a person would look up: the host that is asked.
    fn host(&self) -> &str;

    /// Asks once for the rates of one unit of `base` on `date`.
    fn ask(&self, date: RunDate, base: CurrencyCode) -> impl Future<Output = Result<Quotes, NoQuotes>> + Send;
}

/// One question to a source brought no quotes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct NoQuotes {
    /// What happened, such as `503 Service Unavailable`.
    pub reason: String,
    /// Whether the same question may bring more.
    pub again: AskAgain,
}

/// Whether it makes sense to ask the same question again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AskAgain {
    /// The answer is final.
    Never,
    /// After a while of our choice.
    Soon,
    /// Not before this has passed: the source said so.
    After(Duration),
}

/// Waiting between two tries.
pub trait Pauses: Send + Sync {
    /// Waits for a time between the two, evenly spread, so that many who failed together don't return together.
    fn pause(&self, shortest: Duration, longest: Duration) -> impl Future<Output = ()> + Send;
}

/// Three upper-case letters, as in ISO 4217. Which of them are currencies, the source knows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CurrencyCode([u8; 3]);

/// Text that is no currency code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("«{text}» is not a currency code of three capital letters")]
pub struct InvalidCurrencyCode {
    text: String,
}

impl CurrencyCode {
    /// The three letters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a code is made of ASCII letters only")
    }
}

impl FromStr for CurrencyCode {
    type Err = InvalidCurrencyCode;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        <[u8; 3]>::try_from(text.as_bytes())
            .ok()
            .filter(|letters| letters.iter().all(u8::is_ascii_uppercase))
            .map(Self)
            .ok_or_else(|| InvalidCurrencyCode { text: text.to_owned() })
    }
}

impl fmt::Display for CurrencyCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl fmt::Debug for CurrencyCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl TryFrom<String> for CurrencyCode {
    type Error = InvalidCurrencyCode;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<CurrencyCode> for String {
    fn from(code: CurrencyCode) -> Self {
        code.as_str().to_owned()
    }
}

/// How much of a currency one unit of the base buys: above zero, with at most 8 digits before and 10 after the point, so that every
/// step of the night reckons with the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate(Decimal);

/// A number that is no exchange rate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not above zero and below 100 000 000")]
pub struct InvalidRate(Decimal);

impl Rate {
    /// The rate of the base currency itself.
    pub const ONE: Self = Self(Decimal::ONE);

    /// The number as a rate. Decimals beyond the tenth are rounded off: they are what is left of somebody's binary arithmetic.
    pub fn new(number: Decimal) -> Result<Self, InvalidRate> {
        let rate = number.round_dp_with_strategy(10, RoundingStrategy::MidpointAwayFromZero);
        if rate > Decimal::ZERO && rate < Decimal::from(100_000_000) { Ok(Self(rate)) } else { Err(InvalidRate(number)) }
    }

    /// The number.
    pub fn number(self) -> Decimal {
        self.0
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn code(text: &str) -> CurrencyCode {
        text.parse().unwrap()
    }

    fn needed(run_date: &str, currencies: &[&str]) -> RatesNeeded {
        RatesNeeded {
            run_date: RunDate::parse(run_date).unwrap(),
            base: code("EUR"),
            currencies: currencies.iter().map(|text| code(text)).collect(),
        }
    }

    fn quotes(base: &str, effective_date: &str, quotes: &[(&str, &str)]) -> Quotes {
        Quotes {
            base: code(base),
            effective_date: effective_date.parse().unwrap(),
            quotes: quotes.iter().map(|(text, rate)| (code(text), rate.parse().unwrap())).collect(),
        }
    }

    fn refused(needed: &RatesNeeded, quotes: &Quotes) -> (&'static str, String) {
        let error = RateTable::build(needed, quotes, "frankfurter", 5).unwrap_err();
        (error.name(), error.to_string())
    }

    #[test]
    fn a_table_holds_the_needed_currencies_and_the_base_at_one() {
        let answer = quotes("EUR", "2026-11-20", &[("USD", "1.0823"), ("SEK", "10.978"), ("JPY", "175.68")]);
        let table = RateTable::build(&needed("2026-11-22", &["USD", "EUR", "SEK"]), &answer, "frankfurter", 5).unwrap();

        let rates: Vec<_> = table.rates().map(|(code, rate)| format!("{code} {rate}")).collect();
        assert_eq!(rates, ["EUR 1", "SEK 10.978", "USD 1.0823"]);
        assert_eq!((table.rate_date().to_string(), table.effective_date().to_string()), ("2026-11-22".into(), "2026-11-20".into()));
        assert_eq!((table.base(), table.source()), (code("EUR"), "frankfurter"));
    }

    #[test]
    fn a_day_in_the_base_currency_needs_nobody() {
        let table = RateTable::of_base_alone(&needed("2026-11-22", &["EUR"])).unwrap();
        assert_eq!(table.rates().collect::<Vec<_>>(), [(code("EUR"), Rate::ONE)]);
        assert_eq!((table.effective_date().to_string().as_str(), table.source()), ("2026-11-22", "identity"));

        for others in [&["EUR", "USD"][..], &["USD"], &[]] {
            assert_eq!(RateTable::of_base_alone(&needed("2026-11-22", others)), None, "{others:?}");
        }
    }

    #[test]
    fn rates_of_another_base_are_refused() {
        let (name, message) = refused(&needed("2026-11-20", &["USD"]), &quotes("USD", "2026-11-20", &[("EUR", "0.9"), ("USD", "1")]));
        assert_eq!((name, message.as_str()), ("RatesMismatched", "asked for rates of one EUR, answered with rates of one USD"));
    }

    #[test]
    fn every_missing_currency_is_named() {
        let (name, message) =
            refused(&needed("2026-11-20", &["USD", "XTS", "EUR", "ABC"]), &quotes("EUR", "2026-11-20", &[("USD", "1.1")]));
        assert_eq!(
            (name, message.as_str()),
            ("RatesIncomplete", "no rate for ABC, XTS on 2026-11-20 (the rates answered are of 2026-11-20)")
        );
    }

    #[test]
    fn the_last_accepted_age_is_the_limit_itself() {
        let answer = quotes("EUR", "2026-11-15", &[("USD", "1.1")]);
        assert!(RateTable::build(&needed("2026-11-20", &["USD"]), &answer, "frankfurter", 5).is_ok());

        let (name, message) = refused(&needed("2026-11-21", &["USD"]), &answer);
        assert_eq!(name, "RatesStale");
        assert_eq!(
            message,
            "the latest rates for 2026-11-21 are of 2026-11-15, 6 days older; at most 5 days are accepted (FX_MAX_AGE_DAYS)"
        );
    }

    #[test]
    fn rates_of_a_later_day_are_refused() {
        let (name, message) = refused(&needed("2026-11-20", &["USD"]), &quotes("EUR", "2026-11-21", &[("USD", "1.1")]));
        assert_eq!(
            (name, message.as_str()),
            ("RatesMismatched", "asked for the rates of 2026-11-20, answered with those of 2026-11-21, a later day")
        );
    }

    #[test]
    fn a_rate_has_ten_decimals_at_most() {
        let rate = |text: &str| Rate::new(text.parse().unwrap()).unwrap().to_string();
        assert_eq!(rate("1.10"), "1.10", "what fits is left as it was published");
        assert_eq!(rate("1.1172000000000002"), "1.1172000000");
        assert_eq!(rate("0.00004932155"), "0.0000493216");
        assert_eq!(rate("99999999.9999999999"), "99999999.9999999999");
    }

    #[test]
    fn a_number_that_is_no_rate_is_refused_where_it_is_needed() {
        let answer =
            quotes("EUR", "2026-11-20", &[("USD", "0"), ("SEK", "-1"), ("BTC", "0.00000000004"), ("ZWL", "100000000"), ("JPY", "175.68")]);
        for poor in ["USD", "SEK", "BTC", "ZWL"] {
            let (name, message) = refused(&needed("2026-11-20", &[poor]), &answer);
            assert_eq!((name, message), ("RatesMismatched", format!("the rate of {poor} can't be one")));
        }
        assert!(RateTable::build(&needed("2026-11-20", &["JPY"]), &answer, "frankfurter", 5).is_ok(), "nobody needs the poor ones here");
    }

    #[test]
    fn only_three_capital_letters_are_a_code() {
        for text in ["", "EU", "EURO", "eur", "EU1", "€", "ÅÄ"] {
            assert!(text.parse::<CurrencyCode>().unwrap_err().to_string().contains(text), "«{text}»");
        }
    }

    prop_compose! {
        fn any_code()(text in "[A-E]{3}") -> CurrencyCode {
            text.parse().expect("three letters")
        }
    }

    prop_compose! {
        fn any_rate()(mantissa in -50_i64..2_000_000, scale in 0_u32..9) -> Decimal {
            Decimal::new(mantissa, scale)
        }
    }

    proptest! {
        #[test]
        fn a_table_is_complete_and_fresh_or_is_not_built(
            base in any_code(),
            answered_base in any_code(),
            same_base in prop::bool::weighted(0.8),
            currencies in prop::collection::btree_set(any_code(), 1..6),
            answered in prop::collection::btree_map(any_code(), any_rate(), 0..60),
            priced in prop::bool::weighted(0.7),
            age_days in -3_i32..12,
            maximum_age_days in 0_u16..8,
        ) {
            let run_date = RunDate::parse("2026-11-20").expect("a date");
            let effective_date = run_date.date() - jiff::Span::new().days(age_days);
            let mut answered = answered;
            if priced {
                for code in &currencies {
                    answered.entry(*code).or_insert(Decimal::TWO);
                }
            }
            let quotes = Quotes { base: if same_base { base } else { answered_base }, effective_date, quotes: answered };
            let needed = RatesNeeded { run_date, base, currencies };

            let sound = quotes.base == base
                && (0..=i32::from(maximum_age_days)).contains(&age_days)
                && needed.currencies.iter().all(|code| *code == base || quotes.quotes.get(code).is_some_and(|rate| *rate > Decimal::ZERO));
            match RateTable::build(&needed, &quotes, "any", maximum_age_days) {
                Ok(table) => {
                    prop_assert!(sound);
                    prop_assert_eq!(table.rates().map(|(code, _)| code).collect::<BTreeSet<_>>(), needed.currencies);
                    for (code, rate) in table.rates() {
                        prop_assert_eq!(rate.number(), if code == base { Decimal::ONE } else { quotes.quotes[&code] });
                    }
                }
                Err(refused) => prop_assert!(!sound, "{}", refused),
            }
        }

        #[test]
        fn a_code_that_is_accepted_is_written_back_the_same(text in "\\PC{0,4}|[A-Z]{3}") {
            if let Ok(code) = text.parse::<CurrencyCode>() {
                prop_assert_eq!(code.to_string(), text);
            }
        }
    }
}
