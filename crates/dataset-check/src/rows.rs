//! One file, row by row: what ingest-raw would set aside is found here, before anything is started. Both judge alike.

use csv::StringRecord;
use jiff::ToSpan;
use nightly_domain::RunDate;
use serde::Serialize;

use crate::declaration::{Declaration, day};

/// How many malformed rows of a file are told; all are counted.
const EXAMPLES: usize = 100;

/// What a file holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Judged {
    /// Rows without the header, malformed ones included.
    pub rows: u64,
    /// Malformed rows.
    pub malformed: u64,
    /// The first of them.
    pub examples: Vec<MalformedRow>,
}

/// A row that is not what was declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MalformedRow {
    /// Its number in the file: the header is 1.
    pub row: u64,
    /// The column, where it is one column's.
    pub column: Option<String>,
    /// What is wrong with it first.
    pub problem: String,
}

/// Why a file is bad as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("the file is empty")]
    Empty,
    #[error("the file holds a header and no row")]
    NoRow,
    #[error("the file is not UTF-8 from byte {0} on")]
    NotText(usize),
    #[error("the header «{found}» is not «{declared}»")]
    AnotherHeader { found: String, declared: String },
}

/// Which days the rows of a delivery may belong to.
#[derive(Debug, Clone, Copy)]
pub struct Due {
    /// The last of them.
    pub process_date: RunDate,
    /// So many before it.
    pub late_days: u32,
}

/// Judges a whole file.
pub fn judge(body: &[u8], declaration: &Declaration, due: Due) -> Result<Judged, Unreadable> {
    let text = std::str::from_utf8(body).map_err(|error| Unreadable::NotText(error.valid_up_to()))?;
    if text.is_empty() {
        return Err(Unreadable::Empty);
    }
    let (found, declared) = (text.lines().next().unwrap_or_default(), declaration.header());
    if found != declared {
        return Err(Unreadable::AnotherHeader { found: found.chars().take(200).collect(), declared });
    }
    let judged = judge_rows(text, declaration, due);
    if judged.rows == 0 { Err(Unreadable::NoRow) } else { Ok(judged) }
}

fn judge_rows(text: &str, declaration: &Declaration, due: Due) -> Judged {
    let mut judged = Judged::default();
    // Line by line, as Spark reads it: no field may hold a line break. The header is the first.
    for (row, line) in (2..).zip(text.lines().skip(1)) {
        judged.take(row, problem(line, declaration, due));
    }
    judged
}

/// What is wrong with a row, and in which column.
type Problem = (Option<String>, String);

impl Judged {
    fn take(&mut self, row: u64, problem: Option<Problem>) {
        self.rows += 1;
        let Some((column, problem)) = problem else { return };
        self.malformed += 1;
        if self.examples.len() < EXAMPLES {
            self.examples.push(MalformedRow { row, column, problem });
        }
    }
}

fn problem(line: &str, declaration: &Declaration, due: Due) -> Option<Problem> {
    if line.contains('\r') {
        return Some((None, "the row holds a line break".to_owned()));
    }
    if line.matches('"').count() % 2 == 1 {
        return Some((None, "the row ends inside quotes".to_owned()));
    }
    let fields = fields(line);
    if fields.len() != declaration.columns.len() {
        return Some((None, format!("the row does not have {} fields", declaration.columns.len())));
    }
    for (column, text) in declaration.columns.iter().zip(&fields) {
        let name = &column.name;
        let wrong = match text {
            "" if column.required => format!("{name} is missing"),
            "" => continue,
            text if column.kind.takes(text) => continue,
            text => format!("{name} «{text}» is not {}", column.kind),
        };
        return Some((Some(name.clone()), wrong));
    }
    another_day(&declaration.columns[declaration.partition].name, &fields[declaration.partition], due)
}

fn fields(line: &str) -> StringRecord {
    let mut fields = StringRecord::new();
    let reader =
        csv::ReaderBuilder::new().has_headers(false).buffer_capacity(line.len() + 1).from_reader(line.as_bytes()).read_record(&mut fields);
    reader.map(|_| fields).unwrap_or_default()
}

/// A row of a day that this delivery can't be about.
fn another_day(column: &str, text: &str, Due { process_date, late_days }: Due) -> Option<Problem> {
    let found = day(text)?;
    let first = process_date.date().saturating_sub(i64::from(late_days).days());
    let wrong = if found > process_date.date() {
        format!("{column} «{text}» is after the process date {process_date}")
    } else if found < first {
        format!("{column} «{text}» is more than {late_days} days before {process_date}")
    } else {
        return None;
    };
    Some((Some(column.to_owned()), wrong))
}
