//! AWS judges: executions, Choice operators, refused definitions and answers of `TestState` that were recorded on real AWS are replayed on this
//! engine and compared. The recordings are no part of this repository; `ASL_ORACLE` names their folder, by default
//! `../shared/oracle/asl` beside the repository, if that is there.
//!
//! `ASL_CASE=text cargo nextest run -p nightly-asl -E 'binary(conformance)' --success-output final` shows the answers whose ids contain a text.

mod agreement;
mod answers;
mod corrupted;
mod exceptions;
mod histories;
mod instants;
mod masks;
mod recording;
mod replay;
mod states;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::Value;

use agreement::Disagreement;
use answers::{InputOutput, Validation};
use exceptions::EXCEPTIONS;
use recording::Recording;
use replay::caught;
use states::Trial;

#[test]
fn aws_recorded_what_the_engine_does() {
    let Some(folder) = folder() else {
        println!("No recordings are here: ASL_ORACLE names no folder, and the default isn't there. Nothing was compared.");
        return;
    };
    let only = variable("ASL_CASE");
    let verdicts = judge(&folder, only.as_deref());
    let report = Report::of(&verdicts);
    println!("{}", report.text);
    assert!(only.is_some() || report.faults.is_empty(), "{}", report.faults.join("\n"));
    assert!(!verdicts.is_empty(), "no answer in {} was compared", folder.display());
}

/// What came of one recorded answer.
struct Verdict {
    /// Which kind of answer it is.
    kind: &'static str,
    id: String,
    result: Result<(), Disagreement>,
}

fn judge(folder: &Path, only: Option<&str>) -> Vec<Verdict> {
    let histories = judged("histories", only, all(&folder.join("cases")), |recording: Recording| {
        let recording = recording.with_plain_arns();
        if only.is_some() {
            println!("{}\n{}\n", recording.id, histories::transcript(&recording));
        }
        histories::judge(&recording)
    });
    let outputs = judged("outputs", only, all(&folder.join("cases_io")), |recorded: InputOutput| recorded.judge());
    let validations = judged("validations", only, one(&folder.join("validation.json")), |recorded: Validation| recorded.judge());
    let states = judged("states", only, one(&folder.join("teststate.json")), |recorded: Trial| recorded.judge());
    histories.into_iter().chain(outputs).chain(validations).chain(states).collect()
}

/// Judges each by itself: one that can't be read, or breaks the engine, hides no other.
fn judged<T: DeserializeOwned>(
    kind: &'static str,
    only: Option<&str>,
    answers: Vec<Value>,
    judge: impl Fn(T) -> Result<(), Disagreement>,
) -> Vec<Verdict> {
    let id = |answer: &Value| answer["id"].as_str().unwrap_or_default().to_owned();
    let wanted = answers.into_iter().filter(|answer| only.is_none_or(|text| id(answer).contains(text)));
    wanted
        .map(|answer| {
            let id = id(&answer);
            let result = caught(|| match serde_json::from_value(answer) {
                Ok(recorded) => judge(recorded),
                Err(error) => Err(Disagreement::whole("the record", "a form that is known", error.to_string())),
            });
            let result = result.unwrap_or_else(|panic| Err(Disagreement::whole("the engine", "an answer", panic)));
            Verdict { kind, id, result }
        })
        .collect()
}

/// What is told in the end, and what makes the test fail.
struct Report {
    text: String,
    faults: Vec<String>,
}

impl Report {
    fn of(verdicts: &[Verdict]) -> Self {
        let (mut lines, mut faults) = (Vec::new(), Vec::new());
        let excepted = |id: &str| EXCEPTIONS.iter().find(|exception| id.contains(exception.answers));
        let mut alike: BTreeMap<String, usize> = BTreeMap::new();
        let mut exceptions = 0;
        let mut disagreements = 0;
        for verdict in verdicts {
            let Err(disagreement) = &verdict.result else { continue };
            if excepted(&verdict.id).is_some() {
                exceptions += 1;
                continue;
            }
            disagreements += 1;
            lines.push(format!("{} ({})\n{disagreement}\n", verdict.id, verdict.kind));
            let event = disagreement.at.split(' ').next_back().unwrap_or_default();
            *alike.entry(format!("{} {event} {}", verdict.kind, disagreement.path)).or_default() += 1;
        }
        let mut alike: Vec<_> = alike.into_iter().collect();
        alike.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        lines.extend(alike.iter().map(|(what, count)| format!("{count:4} x {what}")));
        for exception in EXCEPTIONS {
            let mut of_it = verdicts.iter().filter(|verdict| verdict.id.contains(exception.answers)).peekable();
            if of_it.peek().is_some() && of_it.all(|verdict| verdict.result.is_ok()) {
                faults.push(format!("the exception «{}» ({}) isn't needed any more", exception.answers, exception.reason));
            }
        }
        for kind in ["histories", "outputs", "validations", "states"] {
            let of_kind = verdicts.iter().filter(|verdict| verdict.kind == kind);
            let (agree, all) = (of_kind.clone().filter(|verdict| verdict.result.is_ok()).count(), of_kind.count());
            lines.push(format!("{kind}: {agree} of {all}"));
        }
        let all = verdicts.len();
        lines.push(format!(
            "{} of {all} answers agree, {exceptions} exceptions ({})",
            all - exceptions - disagreements,
            percent(exceptions, all)
        ));
        if disagreements > 0 {
            faults.push(format!("{disagreements} answers disagree"));
        }
        if exceptions * 100 > all * 3 {
            faults.push(format!("{exceptions} exceptions are more than 3 %"));
        }
        Self { text: lines.join("\n"), faults }
    }
}

fn percent(part: usize, all: usize) -> String {
    let tenths = (part * 1000 + all / 2) / all.max(1);
    format!("{}.{} %", tenths / 10, tenths % 10)
}

/// Where the recordings are.
fn folder() -> Option<PathBuf> {
    if let Some(named) = variable("ASL_ORACLE") {
        let folder = PathBuf::from(named);
        assert!(folder.is_dir(), "ASL_ORACLE names {}, which is no folder", folder.display());
        return Some(folder);
    }
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/oracle/asl");
    beside.is_dir().then_some(beside)
}

#[expect(clippy::disallowed_methods, reason = "a test is told by its environment alone where recordings are")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Everything in a folder's files; nothing where there is no such folder.
fn all(folder: &Path) -> Vec<Value> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<_> = entries.map(|entry| entry.expect("the folder can be read").path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    files.iter().flat_map(|file| one(file)).collect()
}

/// Everything in a file; nothing where there is no such file.
fn one(file: &Path) -> Vec<Value> {
    let Ok(text) = fs::read(file) else { return Vec::new() };
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{} can't be read: {error}", file.display()))
}
