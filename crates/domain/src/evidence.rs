//! What an approver sees of a staged build, and the digest that binds their answer to it.

use std::collections::BTreeMap;
use std::fmt;

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{ObjectEntry, ObjectUri, RunDate};

/// Everything the question shows. Stored with it, so that every approver sees the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// What an answer is bound to.
    pub digest: EvidenceDigest,
    /// What is asked about.
    pub subject: Subject,
}

/// What is asked about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// A staged build of the warehouse.
    Build(Box<Build>),
    /// Whatever another state machine wants to have approved.
    Request(Request),
}

/// A staged build of the warehouse, and what it is compared with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Build {
    /// Where it lies.
    pub staged_uri: ObjectUri,
    /// Its own figures.
    pub summary: Summary,
    /// What the quality gate found.
    pub quality: Quality,
    /// The nights that were published last, newest first.
    #[serde(default)]
    pub published: Vec<PublishedNight>,
}

/// A night that was published, as far as later ones are compared with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PublishedNight {
    /// Its business date.
    pub run_date: RunDate,
    /// Rows.
    pub order_lines: u64,
    /// In the base currency.
    #[serde(with = "rust_decimal::serde::str")]
    pub revenue_base: Decimal,
    /// By revenue, largest first.
    pub categories: Vec<CategoryFigures>,
}

/// What another state machine wants to have approved, in its own words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// A question that yes or no answers, such as `Delete 1,204 partitions from before 2020?`.
    pub question: String,
    /// What happens after a yes.
    pub consequence: String,
    /// What there is to know, in the order in which it is shown.
    #[serde(default)]
    pub facts: Vec<Fact>,
    /// Objects that the answer is bound to, as a prefix that ends in `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound_uri: Option<ObjectUri>,
}

/// One thing to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// Such as `Oldest partition`.
    pub name: String,
    /// Such as `2016-01-01`.
    pub value: String,
}

impl Evidence {
    /// The build, where it is one.
    pub fn build(&self) -> Option<&Build> {
        match &self.subject {
            Subject::Build(build) => Some(build),
            Subject::Request(_) => None,
        }
    }
}

/// The figures that `apply-fx` writes beside the staged build, as `_summary.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The business date of the build.
    pub run_date: RunDate,
    /// The execution that built it.
    pub run_id: String,
    /// The ISO 4217 code of every `…_base` figure.
    pub base_currency: String,
    /// Distinct orders.
    pub orders: u64,
    /// Rows: one per order line.
    pub order_lines: u64,
    /// In the base currency.
    #[serde(with = "rust_decimal::serde::str")]
    pub revenue_base: Decimal,
    /// Order lines without an item in the inventory snapshot.
    pub unmatched_lines: u64,
    /// The exchange rates that were applied.
    pub rates: AppliedRates,
    /// By revenue, largest first.
    pub categories: Vec<CategoryFigures>,
}

impl Summary {
    /// By how many days the exchange rates are older than the run date, where they are.
    pub fn rate_age_days(&self) -> Option<u64> {
        let age = self.run_date.date().duration_since(self.rates.effective_date).as_hours() / 24;
        u64::try_from(age).ok().filter(|days| *days > 0)
    }
}

/// Which exchange rates a build was reckoned with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedRates {
    /// The day that the rates are of, which may be before the run date.
    pub effective_date: Date,
    /// Who published them.
    pub source: String,
    /// The ISO 4217 codes of the day's orders.
    pub currencies: Vec<String>,
}

/// One category's share of the day.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CategoryFigures {
    /// `null` where the item is in no category, or in no inventory.
    pub category: Option<String>,
    /// Rows.
    pub order_lines: u64,
    /// In the base currency.
    #[serde(with = "rust_decimal::serde::str")]
    pub revenue_base: Decimal,
}

/// The result of a quality run, in the definition's words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// Passed rules over all rules, from 0 to 1.
    pub score: f64,
    /// The ruleset's name.
    pub ruleset: String,
    /// Every rule, passed or not.
    pub rules: Vec<RuleResult>,
}

/// What became of one rule. `GetDataQualityResult`, Glue API reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RuleResult {
    /// Such as `Rule_1`.
    #[serde(default)]
    pub name: String,
    /// The rule as written, in DQDL.
    pub rule: String,
    /// PASS, FAIL or ERROR.
    pub result: RuleVerdict,
    /// Why it did not pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What was measured, such as `Dataset.*.RowCount`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metrics: BTreeMap<String, f64>,
}

/// How a rule was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RuleVerdict {
    /// The rule holds.
    Pass,
    /// The rule does not hold.
    Fail,
    /// The rule could not be evaluated.
    Error,
}

impl Quality {
    /// How many rules passed.
    pub fn passed(&self) -> usize {
        self.rules.iter().filter(|rule| rule.result == RuleVerdict::Pass).count()
    }
}

/// SHA-256 over the staged objects, as 64 lower-case hexadecimal digits.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EvidenceDigest(String);

impl EvidenceDigest {
    /// The digest of the objects below `prefix`: a line `<key below the prefix>\t<size>\t<etag>\n` each, in the byte order of the keys.
    /// `publish-to-warehouse` computes the same before it writes.
    pub fn of(prefix: &ObjectUri, objects: &[ObjectEntry]) -> Self {
        let mut lines: Vec<_> = objects
            .iter()
            .map(|object| {
                let key = object.key.strip_prefix(prefix.key()).unwrap_or(&object.key);
                (key, format!("{key}\t{}\t{}\n", object.size, object.etag))
            })
            .collect();
        lines.sort_by_key(|(key, _)| *key);
        let hash = lines.iter().fold(Sha256::new(), |hash, (_, line)| hash.chain_update(line)).finalize();
        Self(hex(&hash))
    }

    /// The digest of a request: of its words, and of the objects that it is bound to.
    pub fn of_request(request: &Request, objects: &[ObjectEntry]) -> Self {
        let words = serde_json::to_vec(request).unwrap_or_default();
        let prefix = request.bound_uri.clone().unwrap_or_else(|| ObjectUri::new("", ""));
        let hash = Sha256::new().chain_update(words).chain_update("\n").chain_update(Self::of(&prefix, objects).0);
        Self(hex(&hash.finalize()))
    }

    /// A form that two people can compare by reading it to each other: `7f3a-c1e0-9b42`.
    pub fn short(&self) -> String {
        let digits = |from: usize| self.0.get(from..from + 4).unwrap_or_default();
        format!("{}-{}-{}", digits(0), digits(4), digits(8))
    }
}

impl fmt::Display for EvidenceDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for EvidenceDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "EvidenceDigest({})", self.0)
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: &str, size: u64, etag: &str) -> ObjectEntry {
        ObjectEntry { key: key.to_owned(), size, etag: etag.to_owned() }
    }

    fn staged() -> ObjectUri {
        "s3://work/nightly-warehouse/run_date=2026-11-20/night/apply-fx/".parse().unwrap()
    }

    #[test]
    fn the_digest_is_the_one_the_publishing_job_computes() {
        let prefix = "nightly-warehouse/run_date=2026-11-20/night/apply-fx/";
        let objects = [
            entry(&format!("{prefix}part-0.parquet"), 1024, "9b2cf535f27731c974343645a3985328"),
            entry(&format!("{prefix}_summary.json"), 310, "d41d8cd98f00b204e9800998ecf8427e"),
        ];
        let digest = EvidenceDigest::of(&staged(), &objects);
        // printf '_summary.json\t310\td41d…\npart-0.parquet\t1024\t9b2c…\n' | sha256sum
        assert_eq!(digest.to_string(), "4441f4b605eccf1203e2d706d187a161f3c269c7e25b0b3cc8687da32c01fc49");
        assert_eq!(digest.short(), "4441-f4b6-05ec");
    }

    #[test]
    fn any_change_to_a_staged_object_changes_the_digest() {
        let digest = |objects: &[ObjectEntry]| EvidenceDigest::of(&staged(), objects).to_string();
        let before = digest(&[entry("a", 1, "x"), entry("b", 2, "y")]);
        assert_eq!(before, digest(&[entry("b", 2, "y"), entry("a", 1, "x")]), "the order of the listing is no part of it");
        for after in [
            vec![entry("a", 1, "x")],
            vec![entry("a", 1, "x"), entry("b", 3, "y")],
            vec![entry("a", 1, "x"), entry("b", 2, "z")],
            vec![entry("a", 1, "x"), entry("c", 2, "y")],
            vec![entry("a", 1, "x"), entry("b", 2, "y"), entry("c", 0, "")],
        ] {
            assert_ne!(before, digest(&after), "{after:?}");
        }
    }

    #[test]
    fn an_answer_to_a_request_is_bound_to_its_words_and_its_objects() {
        let request = Request {
            question: "Delete?".to_owned(),
            consequence: "It is gone.".to_owned(),
            facts: vec![Fact { name: "Partitions".to_owned(), value: "12".to_owned() }],
            bound_uri: Some(staged()),
        };
        let digest = |request: &Request, objects: &[ObjectEntry]| EvidenceDigest::of_request(request, objects).to_string();
        let before = digest(&request, &[entry("a", 1, "x")]);
        assert_eq!(before, digest(&request.clone(), &[entry("a", 1, "x")]));
        assert_ne!(before, digest(&request, &[entry("a", 2, "x")]));
        let mut other = request.clone();
        other.facts[0].value = "13".to_owned();
        assert_ne!(before, digest(&other, &[entry("a", 1, "x")]));
    }

    #[test]
    fn a_summary_keeps_every_cent() {
        let text = r#"{"run_date":"2026-11-20","run_id":"night","base_currency":"EUR","orders":2,"order_lines":3,"revenue_base":"1284306.52",
            "unmatched_lines":0,"rates":{"effective_date":"2026-11-19","source":"frankfurter","currencies":["EUR","USD"]},
            "categories":[{"category":"Shoes","order_lines":2,"revenue_base":"0.10"},{"category":null,"order_lines":1,"revenue_base":"1"}]}"#;
        let summary: Summary = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_value(&summary).unwrap(), serde_json::from_str::<serde_json::Value>(text).unwrap());
    }

    #[test]
    fn rates_are_old_by_whole_days() {
        let mut summary = crate::memory::contract::build().summary;
        assert_eq!(summary.rate_age_days(), Some(1));
        summary.rates.effective_date = summary.run_date.date();
        assert_eq!(summary.rate_age_days(), None);
    }

    #[test]
    fn a_sum_written_as_a_float_is_refused() {
        assert!(serde_json::from_str::<CategoryFigures>(r#"{"category":"Shoes","order_lines":2,"revenue_base":0.1}"#).is_err());
    }

    #[test]
    fn a_result_that_is_not_known_is_refused() {
        let rule = |result: &str| serde_json::from_value::<RuleResult>(serde_json::json!({"rule": "RowCount > 0", "result": result}));
        assert_eq!(rule("PASS").unwrap().result, RuleVerdict::Pass);
        assert!(rule("SKIPPED").is_err());
    }
}
