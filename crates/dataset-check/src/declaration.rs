//! What a dataset is, as it is declared: its columns in SQL's words, its key, its partition column.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use nightly_domain::RunDate;
use serde::Deserialize;

/// A declaration that holds together.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct Declaration {
    /// In the order of the files' header.
    pub columns: Vec<Column>,
    /// The place of the partition column.
    pub partition: usize,
}

/// One column. An empty field is null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// As in the header.
    pub name: String,
    /// What its fields mean.
    pub kind: Kind,
    /// It is never null.
    pub required: bool,
}

/// The types of columns. Amounts are decimals, never floats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    String,
    Int,
    BigInt,
    Boolean,
    Date,
    Timestamp,
    Decimal { before_the_point: usize, scale: usize },
}

/// As it is written.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    columns: String,
    key_columns: String,
    partition_column: String,
    ordering_column: String,
}

/// Text that declares no dataset.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDeclaration {
    /// A part that is no column.
    #[error("«{0}» declares no column; write it as in: amount DECIMAL(12,2) NOT NULL")]
    NoColumn(String),
    /// A name that stands in no column.
    #[error("the column «{0}» is not declared")]
    Undeclared(String),
    /// Partitions are days.
    #[error("the partition column {0} is no DATE")]
    NoDate(String),
}

impl TryFrom<Written> for Declaration {
    type Error = InvalidDeclaration;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let mut columns = split(&written.columns).map(column).collect::<Result<Vec<_>, _>>()?;
        let place = |name: &str| columns.iter().position(|column| column.name == name);
        let declared = |name: &str| place(name).ok_or_else(|| InvalidDeclaration::Undeclared(name.to_owned()));
        let keys = written.key_columns.split(',').map(str::trim).map(declared).collect::<Result<Vec<_>, _>>()?;
        declared(&written.ordering_column)?;
        let partition = declared(&written.partition_column)?;
        if columns[partition].kind != Kind::Date {
            return Err(InvalidDeclaration::NoDate(written.partition_column));
        }
        // What finds a row again can't be missing.
        for place in keys.into_iter().chain([partition]) {
            columns[place].required = true;
        }
        Ok(Self { columns, partition })
    }
}

impl Declaration {
    /// The first line of every file.
    pub fn header(&self) -> String {
        self.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(",")
    }
}

/// The parts between commas; a comma in brackets belongs to its type.
fn split(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_u32;
    text.split(move |character| {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        character == ',' && depth == 0
    })
}

/// Whether a column may be called so.
pub fn is_column_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_')
}

fn column(text: &str) -> Result<Column, InvalidDeclaration> {
    let invalid = || InvalidDeclaration::NoColumn(text.trim().to_owned());
    let (name, rest) = text.trim().split_once(char::is_whitespace).ok_or_else(invalid)?;
    let words = rest.to_ascii_uppercase();
    let words: Vec<&str> = words.split_whitespace().collect();
    let (kind, required) = match words.as_slice() {
        [kind @ .., "NOT", "NULL"] => (kind.concat(), true),
        kind => (kind.concat(), false),
    };
    let kind = Kind::parse(&kind).filter(|_| is_column_name(name)).ok_or_else(invalid)?;
    Ok(Column { name: name.to_owned(), kind, required })
}

impl Kind {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "STRING" => Self::String,
            "INT" => Self::Int,
            "BIGINT" => Self::BigInt,
            "BOOLEAN" => Self::Boolean,
            "DATE" => Self::Date,
            "TIMESTAMP" => Self::Timestamp,
            _ => {
                let (precision, scale) = text.strip_prefix("DECIMAL(")?.strip_suffix(')')?.split_once(',')?;
                let (precision, scale): (usize, usize) = (precision.parse().ok()?, scale.parse().ok()?);
                let before_the_point = precision.checked_sub(scale).filter(|digits| *digits > 0 && precision <= 38)?;
                Self::Decimal { before_the_point, scale }
            }
        })
    }

    /// Whether this text, which isn't empty, is a value of the type.
    pub fn takes(self, text: &str) -> bool {
        match self {
            Self::String => true,
            Self::Int => is_whole(text, 9),
            Self::BigInt => is_whole(text, 18),
            Self::Boolean => matches!(text, "true" | "false"),
            Self::Date => day(text).is_some(),
            Self::Timestamp => is_instant(text),
            Self::Decimal { before_the_point, scale } => {
                let (whole, fraction) = text.split_once('.').map_or((text, None), |(whole, fraction)| (whole, Some(fraction)));
                is_whole(whole, before_the_point) && fraction.is_none_or(|digits| are_digits(digits, scale))
            }
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String => formatter.write_str("a text"),
            Self::Int => formatter.write_str("a whole number of at most 9 digits"),
            Self::BigInt => formatter.write_str("a whole number of at most 18 digits"),
            Self::Boolean => formatter.write_str("true or false"),
            Self::Date => formatter.write_str("a day, such as 2026-11-20"),
            Self::Timestamp => formatter.write_str("an instant in UTC, such as 2026-11-20T09:30:00Z"),
            Self::Decimal { before_the_point, scale } => {
                write!(formatter, "an amount with at most {before_the_point} digits before and {scale} after the point")
            }
        }
    }
}

/// The calendar day that is written here.
pub fn day(text: &str) -> Option<Date> {
    RunDate::parse(text).ok().map(RunDate::date)
}

fn is_whole(text: &str, digits: usize) -> bool {
    are_digits(text.strip_prefix('-').unwrap_or(text), digits)
}

/// At least one, and at most so many.
fn are_digits(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `2026-11-20T09:30:00Z`, with up to six digits of a second.
fn is_instant(text: &str) -> bool {
    let Some((moment, fraction)) =
        text.strip_suffix('Z').map(|rest| rest.split_once('.').map_or((rest, None), |(moment, f)| (moment, Some(f))))
    else {
        return false;
    };
    let is_written_so = moment.len() == 19
        && moment.bytes().enumerate().all(|(place, byte)| match place {
            4 | 7 => byte == b'-',
            10 => byte == b'T',
            13 | 16 => byte == b':',
            _ => byte.is_ascii_digit(),
        });
    // The parser would take a leap second for the one before it.
    is_written_so && fraction.is_none_or(|digits| are_digits(digits, 6)) && !moment.ends_with("60") && text.parse::<Timestamp>().is_ok()
}
