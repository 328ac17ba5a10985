//! Looks at what was delivered for a process date before anything is started, and puts a bad file aside with a report.

mod declaration;
mod rows;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use nightly_domain::evidence::EvidenceDigest;
use nightly_domain::ports::{Clock, Copied, Deliveries, Objects, PortError};
use nightly_domain::run_date::InvalidRunDate;
use nightly_domain::{Named, ObjectEntry, ObjectUri, RunDate};
use serde::{Deserialize, Serialize};

pub use declaration::{Declaration, InvalidDeclaration, Kind, day, is_column_name};
pub use rows::{Due, Judged, MalformedRow, Unreadable, judge};

/// What the function works with.
#[derive(Debug)]
pub struct Ports<Store, Now> {
    /// Where files are delivered, and where bad ones are put.
    pub objects: Store,
    /// The time.
    pub clock: Now,
}

/// What is to be looked at, and what it must be.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// The dataset's name.
    pub dataset: String,
    /// `YYYY-MM-DD`, as whoever started it says; text, so that this function can refuse it by its own name.
    pub process_date: String,
    /// The file whose arrival started this, or nothing: then whatever lies there.
    pub source: Option<String>,
    /// The dataset's own folder: nothing outside of it is ever read.
    pub allowed_uri: ObjectUri,
    /// Where bad files are put.
    pub quarantine_uri: ObjectUri,
    /// The execution's name.
    pub run_id: String,
    /// What the dataset is.
    #[serde(flatten)]
    pub declaration: Declaration,
    /// How many days late a row may be.
    pub late_days: u32,
    /// How many malformed rows a delivery may hold.
    pub maximum_malformed_rows: u64,
    /// How large a file may be.
    pub maximum_megabytes: u64,
    /// Build what is there, although a file that was put aside has no better one in its place.
    #[serde(default)]
    pub force: bool,
}

/// A delivery that is fit to be built.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fit {
    /// The folder.
    pub source_uri: ObjectUri,
    /// What lies there, as `EvidenceDigest` has it: the same files have the same digest.
    pub digest: EvidenceDigest,
    /// How many files.
    pub files: usize,
    /// How many rows, malformed ones included.
    pub rows: u64,
    /// How many malformed ones.
    pub malformed: u64,
}

/// Judges every file of the process date. Where one is bad, it is in quarantine when this ends, and its place is free for a better one.
pub async fn handle(ports: &Ports<impl Objects + Deliveries, impl Clock>, request: Request) -> Result<Fit, CheckFailed> {
    let now = ports.clock.now();
    let process_date = process_date(&request.process_date, now)?;
    let folder = request.allowed_uri.join(&format!("process_date={process_date}/"));
    let named = request.source.as_deref().map(|source| named_file(source, &folder)).transpose()?.flatten();

    let files: Vec<ObjectEntry> = ports.objects.list(&folder).await?.into_iter().filter(|file| is_data(file, &folder)).collect();
    let check = Check { objects: &ports.objects, request: &request, process_date, folder: &folder, now };
    // What was put aside, by whichever run, is missing until something better has come in its place: a delivery without it would take
    // its rows out of the table.
    let mut aside = check.put_aside_before(&files).await?;
    if request.force {
        // Whoever forces it knows what is missing. What this run itself puts aside they have not seen.
        let own = check.own_quarantine();
        aside.retain(|aside| aside.report.key().starts_with(own.key()));
    }
    let (mut rows, mut malformed) = (0, 0);
    let mut doubtful = Vec::new();
    for file in &files {
        match check.judge(file).await? {
            Ok(judged) => {
                rows += judged.rows;
                malformed += judged.malformed;
                if judged.malformed > 0 {
                    doubtful.push((file, judged));
                }
            }
            Err(problem) => aside.push(check.put_aside(file, problem, Judged::default()).await?),
        }
    }
    if malformed > request.maximum_malformed_rows {
        for (file, judged) in doubtful {
            let problem = format!("malformed rows: {malformed} in this delivery, of which {} are allowed", request.maximum_malformed_rows);
            aside.push(check.put_aside(file, problem, judged).await?);
        }
    }
    if !aside.is_empty() {
        tracing::warn!(dataset = request.dataset, %process_date, run_id = request.run_id, files = aside.len(), "put into quarantine");
        return Err(CheckFailed::Quarantined { aside });
    }
    if let Some(missing) = named.filter(|name| files.iter().all(|file| name_of(file, &folder) != name)) {
        return Err(CheckFailed::Missing { uri: folder.join(&missing) });
    }
    if files.is_empty() {
        return Err(CheckFailed::Missing { uri: folder.join("*.csv") });
    }
    let digest = EvidenceDigest::of(&folder, &files);
    tracing::info!(dataset = request.dataset, %process_date, run_id = request.run_id, files = files.len(), rows, malformed, "fit to be built");
    Ok(Fit { source_uri: folder, digest, files: files.len(), rows, malformed })
}

/// A calendar day that has begun.
fn process_date(text: &str, now: Timestamp) -> Result<RunDate, CheckFailed> {
    let date = RunDate::parse(text)?;
    let today = TimeZone::UTC.to_datetime(now).date();
    if date.date() > today { Err(CheckFailed::NotYet { date, today: today.into() }) } else { Ok(date) }
}

/// The name of the file in the folder, or nothing where the folder itself is named.
fn named_file(source: &str, folder: &ObjectUri) -> Result<Option<String>, CheckFailed> {
    let refused = || CheckFailed::Outside { source_uri: source.to_owned(), allowed: folder.clone() };
    let uri: ObjectUri = source.parse().map_err(|_| refused())?;
    let name = uri.key().strip_prefix(folder.key()).filter(|_| uri.bucket() == folder.bucket()).ok_or_else(refused)?;
    match name {
        "" => Ok(None),
        name if is_data_name(name) => Ok(Some(name.to_owned())),
        _ => Err(refused()),
    }
}

/// Folders of folders and notes beside the files are nobody's data.
fn is_data(file: &ObjectEntry, folder: &ObjectUri) -> bool {
    is_data_name(name_of(file, folder))
}

#[expect(clippy::case_sensitive_file_extension_comparisons, reason = "as EventBridge's rule and ingest-raw compare it")]
fn is_data_name(name: &str) -> bool {
    name.ends_with(".csv") && !name.contains('/')
}

fn name_of<'a>(file: &'a ObjectEntry, folder: &ObjectUri) -> &'a str {
    file.key.strip_prefix(folder.key()).unwrap_or(&file.key)
}

const MEGABYTE: u64 = 1024 * 1024;
const REPORT: &str = ".report.json";

struct Check<'a, Store> {
    objects: &'a Store,
    request: &'a Request,
    process_date: RunDate,
    folder: &'a ObjectUri,
    now: Timestamp,
}

impl<Store: Objects + Deliveries> Check<'_, Store> {
    /// What the file holds, or why it is bad as a whole.
    async fn judge(&self, file: &ObjectEntry) -> Result<Result<Judged, String>, CheckFailed> {
        let most = self.request.maximum_megabytes;
        if file.size > most * MEGABYTE {
            return Ok(Err(format!("the file has {} bytes, and {most} megabytes are allowed", file.size)));
        }
        let uri = ObjectUri::new(self.folder.bucket(), &file.key);
        let body = self.objects.read_listed(&uri, &file.etag).await?.ok_or(CheckFailed::Changed { uri })?;
        let due = Due { process_date: self.process_date, late_days: self.request.late_days };
        Ok(judge(&body, &self.request.declaration, due).map_err(|problem| problem.to_string()))
    }

    /// Copy, report, then removal: a crash between any two leaves the file where it was, and the next try does the same again.
    async fn put_aside(&self, file: &ObjectEntry, problem: String, judged: Judged) -> Result<Aside, CheckFailed> {
        let uri = ObjectUri::new(self.folder.bucket(), &file.key);
        // The tag keeps two bad files of one name apart.
        let copy = self.own_quarantine().join(&format!("{}/{}", file.etag, name_of(file, self.folder)));
        if self.objects.copy_listed(&uri, &file.etag, &copy).await? == Copied::Changed {
            return Err(CheckFailed::Changed { uri });
        }
        let first = match judged.examples.first() {
            Some(first) => format!("row {}: {}", first.row, first.problem),
            None => problem.clone(),
        };
        let report = Report {
            dataset: &self.request.dataset,
            process_date: self.process_date,
            run_id: &self.request.run_id,
            file: &uri,
            etag: &file.etag,
            bytes: file.size,
            quarantined: &copy,
            at: self.now,
            problem: &problem,
            malformed: judged.malformed,
            rows: &judged.examples,
        };
        let body = serde_json::to_vec_pretty(&report).map_err(|error| PortError::new("writing the report", error))?;
        let report = ObjectUri::new(copy.bucket(), format!("{}{REPORT}", copy.key()));
        self.objects.write(&report, "application/json", body).await?;
        self.objects.remove_listed(&uri, &file.etag).await?;
        Ok(Aside { file: uri, report, first })
    }

    /// What was put aside before, and nothing has replaced since.
    async fn put_aside_before(&self, files: &[ObjectEntry]) -> Result<Vec<Aside>, CheckFailed> {
        let quarantine = self.request.quarantine_uri.join(&format!("process_date={}/", self.process_date));
        let reports = self.objects.list(&quarantine).await?.into_iter().filter(|entry| entry.key.ends_with(REPORT));
        let missing = reports.filter_map(|entry| {
            let name = entry.key.rsplit('/').next()?.strip_suffix(REPORT)?;
            let is_there = files.iter().any(|file| name_of(file, self.folder) == name);
            (!is_there).then(|| Aside {
                file: self.folder.join(name),
                report: ObjectUri::new(quarantine.bucket(), &entry.key),
                first: "put aside before, and no better one has come since".to_owned(),
            })
        });
        Ok(missing.collect())
    }

    fn own_quarantine(&self) -> ObjectUri {
        self.request.quarantine_uri.join(&format!("process_date={}/{}/", self.process_date, self.request.run_id))
    }
}

/// What stands beside a file in quarantine.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    dataset: &'a str,
    process_date: RunDate,
    run_id: &'a str,
    file: &'a ObjectUri,
    etag: &'a str,
    bytes: u64,
    quarantined: &'a ObjectUri,
    at: Timestamp,
    problem: &'a str,
    malformed: u64,
    rows: &'a [MalformedRow],
}

/// A file that was put aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aside {
    /// Where it was.
    pub file: ObjectUri,
    /// The report about it.
    pub report: ObjectUri,
    /// What is wrong with it first.
    pub first: String,
}

/// Why nothing is started.
#[derive(Debug, thiserror::Error)]
pub enum CheckFailed {
    /// The process date is none.
    #[error(transparent)]
    NoDate(#[from] InvalidRunDate),
    /// The process date is to come.
    #[error("the process date {date} has not begun: today is {today} (UTC)")]
    NotYet {
        /// The process date.
        date: RunDate,
        /// Today.
        today: RunDate,
    },
    /// The named file is none of this dataset and date.
    #[error("«{source_uri}» is no .csv file right below {allowed}")]
    Outside {
        /// As it was named.
        source_uri: String,
        /// Where it would have to be.
        allowed: ObjectUri,
    },
    /// There is no file.
    #[error("there is no {uri}")]
    Missing {
        /// What was looked for.
        uri: ObjectUri,
    },
    /// A file was replaced while it was looked at.
    #[error("{uri} was replaced or removed while it was read")]
    Changed {
        /// The file.
        uri: ObjectUri,
    },
    /// At least one file is bad.
    #[error("{}", told(aside))]
    Quarantined {
        /// Those files.
        aside: Vec<Aside>,
    },
    /// S3 can't be reached.
    #[error("the stored objects can't be reached")]
    Storage(#[from] PortError),
}

/// The first file, and how many more.
fn told(aside: &[Aside]) -> String {
    let [first, others @ ..] = aside else { return String::new() };
    let more = if others.is_empty() { String::new() } else { format!("; {} more, too", others.len()) };
    format!("{} was put into quarantine: {}; the report is {}{more}", first.file, first.first, first.report)
}

impl Named for CheckFailed {
    fn name(&self) -> &'static str {
        match self {
            Self::NoDate(_) | Self::NotYet { .. } => "InvalidProcessDate",
            Self::Outside { .. } => "SourceNotAllowed",
            Self::Missing { .. } => "SourceMissing",
            Self::Changed { .. } => "SourceChanged",
            Self::Quarantined { .. } => "FileQuarantined",
            Self::Storage(_) => "StorageUnavailable",
        }
    }
}
