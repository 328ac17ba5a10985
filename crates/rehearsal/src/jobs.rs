//! What the Glue jobs read and write, in small: which objects have to be there, what a run overwrites, what it refuses.

use nightly_domain::ObjectUri;
use nightly_domain::evidence::EvidenceDigest;
use serde_json::{Value, json};

use crate::deployment::BASE_CURRENCY;
use crate::story::Day;
use crate::world::Objects;

/// What a run was started with.
pub(crate) struct Arguments<'a>(pub(crate) &'a Value);

impl Arguments<'_> {
    pub(crate) fn text(&self, name: &str) -> &str {
        self.0[name].as_str().unwrap_or_default()
    }

    pub(crate) fn uri(&self, name: &str) -> Result<ObjectUri, String> {
        self.text(name).parse().map_err(|error| format!("{name}: {error}"))
    }
}

/// What a run of this job leaves when it ends, or why it fails. `run` names the run: what Spark writes has names of its own each time.
pub(crate) fn effect(job: &str, run: &str, arguments: &Arguments<'_>, day: &Day, objects: &mut Objects) -> Result<(), String> {
    let run_date = arguments.text("--run_date");
    match job {
        "nightly-extract-orders" => {
            let source = arguments.uri("--source_uri")?;
            if objects.list(&source).is_empty() {
                return Err(format!("NoOrdersPartition: nothing lies at {source}"));
            }
            write(objects, &arguments.uri("--output_uri")?, run, &json!({"order_lines": day.lines}));
        }
        "nightly-extract-inventory" => {
            let source = arguments.uri("--source_uri")?;
            if objects.list(&source).is_empty() {
                return Err(format!("NoInventorySnapshot: nothing lies at {source}"));
            }
            write(objects, &arguments.uri("--output_uri")?, run, &json!({"items": 4}));
        }
        "nightly-transform-orders" => {
            let output = arguments.uri("--output_uri")?;
            there(objects, &arguments.uri("--input_uri")?)?;
            write(objects, &output, run, &json!({"order_lines": day.lines}));
            objects.put(&output.join("_currencies.json"), json!({"currencies": day.currencies}).to_string().into_bytes());
        }
        "nightly-transform-inventory" => {
            there(objects, &arguments.uri("--input_uri")?)?;
            write(objects, &arguments.uri("--output_uri")?, run, &json!({"items": 4}));
        }
        "nightly-join-fact-dim" => {
            there(objects, &arguments.uri("--orders_uri")?)?;
            there(objects, &arguments.uri("--inventory_uri")?)?;
            write(objects, &arguments.uri("--output_uri")?, run, &json!({"order_lines": day.lines}));
        }
        "nightly-apply-fx" => {
            there(objects, &arguments.uri("--input_uri")?)?;
            let rates = rates(objects, &arguments.uri("--rates_uri")?, run_date, day)?;
            let output = arguments.uri("--output_uri")?;
            write(objects, &output, run, &json!({"order_lines": day.lines}));
            let summary = summary(run_date, arguments.text("--run_id"), day, &rates);
            objects.put(&output.join("_summary.json"), summary.to_string().into_bytes());
        }
        other => return Err(format!("nobody knows the job {other}")),
    }
    Ok(())
}

/// The digest of what is staged, as `publish-to-warehouse` reckons it.
pub(crate) fn digest(objects: &Objects, staged: &ObjectUri) -> String {
    EvidenceDigest::of(staged, &objects.list(staged)).to_string()
}

/// How many rows are staged.
pub(crate) fn staged_rows(objects: &Objects, staged: &ObjectUri) -> u64 {
    let summary = objects.read(&staged.join("_summary.json"));
    let summary: Option<Value> = summary.and_then(|body| serde_json::from_slice(&body).ok());
    summary.and_then(|summary| summary["order_lines"].as_u64()).unwrap_or(0)
}

fn there(objects: &Objects, input: &ObjectUri) -> Result<(), String> {
    if objects.list(input).is_empty() { Err(format!("AnalysisException: nothing lies at {input}")) } else { Ok(()) }
}

fn write(objects: &mut Objects, output: &ObjectUri, run: &str, counts: &Value) {
    objects.clear(output);
    objects.put(&output.join(&format!("part-00000-{run}.snappy.parquet")), format!("{run} {counts}").into_bytes());
    objects.put(&output.join("_counts.json"), counts.to_string().into_bytes());
}

struct Rates {
    effective_date: String,
    source: String,
}

/// The table of the run date, refused where it lacks a currency of the day.
fn rates(objects: &Objects, uri: &ObjectUri, run_date: &str, day: &Day) -> Result<Rates, String> {
    let body = objects.read(uri).ok_or_else(|| format!("AnalysisException: nothing lies at {uri}"))?;
    let text = String::from_utf8_lossy(&body).into_owned();
    let mut rates = Rates { effective_date: String::new(), source: String::new() };
    let mut known = Vec::new();
    for (line, row) in text.lines().enumerate().skip(1) {
        let [rate_date, effective_date, base, quote, _, source] = row.split(',').collect::<Vec<_>>()[..] else {
            return Err(format!("MalformedRow: {uri}:{}: «{row}»", line + 1));
        };
        if rate_date != run_date || base != BASE_CURRENCY {
            return Err(format!("MalformedRow: {uri}:{}: «{row}» is not of {run_date} in {BASE_CURRENCY}", line + 1));
        }
        known.push(quote.to_owned());
        rates = Rates { effective_date: effective_date.to_owned(), source: source.to_owned() };
    }
    match day.currencies.iter().find(|code| !known.iter().any(|known| known == *code)) {
        Some(unknown) => Err(format!("UnknownCurrency: {uri} has no rate for {unknown}")),
        None => Ok(rates),
    }
}

fn summary(run_date: &str, run_id: &str, day: &Day, rates: &Rates) -> Value {
    let cents = |lines: u64| {
        let cents = lines * 2663;
        format!("{}.{:02}", cents / 100, cents % 100)
    };
    let category = |name: Option<&str>, lines: u64| json!({"category": name, "order_lines": lines, "revenue_base": cents(lines)});
    let first = day.lines / 2;
    let second = day.lines / 3;
    let categories = [category(Some("Electronics"), first), category(Some("Home"), second), category(None, day.lines - first - second)];
    json!({
        "run_date": run_date, "run_id": run_id, "base_currency": BASE_CURRENCY,
        "orders": day.lines.div_ceil(3), "order_lines": day.lines, "revenue_base": cents(day.lines), "unmatched_lines": day.lines % 7,
        "rates": {"effective_date": rates.effective_date, "source": rates.source, "currencies": day.currencies},
        "categories": categories,
    })
}
