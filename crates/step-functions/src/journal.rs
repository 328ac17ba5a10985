//! What an execution was started with and everything it was told, each with its instant: enough to make it again.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use nightly_asl::{Instant, Start, Stimulus};
use serde::{Deserialize, Serialize};

/// The first line: how the execution began, with the definition as it was then.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Opening {
    pub(crate) definition: String,
    /// STANDARD or EXPRESS.
    pub(crate) kind: String,
    /// The input as it was sent.
    pub(crate) input: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trace_header: Option<String>,
    pub(crate) start: Start,
}

/// Every other line.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Told {
    pub(crate) at: Instant,
    pub(crate) stimulus: Stimulus,
}

/// The file of one execution. A line counts once it is whole, so a server that dies while it writes leaves none half told.
pub(crate) struct Journal(File);

impl Journal {
    pub(crate) fn open(folder: &Path, opening: &Opening) -> io::Result<Self> {
        let path = path(folder, &opening.start.identity.execution_arn);
        let mut journal = Self(OpenOptions::new().create_new(true).append(true).open(path)?);
        journal.write(opening)?;
        Ok(journal)
    }

    pub(crate) fn append(&mut self, told: &Told) -> io::Result<()> {
        self.write(told)
    }

    fn write(&mut self, line: &impl Serialize) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.0.write_all(&text)
    }
}

/// An execution as its file has it.
pub(crate) struct Kept {
    pub(crate) opening: Opening,
    pub(crate) told: Vec<Told>,
    pub(crate) journal: Journal,
}

/// Every execution that the folder keeps.
pub(crate) fn read_all(folder: &Path) -> io::Result<Vec<Kept>> {
    fs::create_dir_all(folder)?;
    let mut paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    paths.sort();
    let mut kept = Vec::new();
    for path in paths {
        kept.extend(read(&path).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?);
    }
    Ok(kept)
}

fn read(path: &Path) -> io::Result<Option<Kept>> {
    let text = fs::read_to_string(path)?;
    let whole = text.rfind('\n').map_or(0, |end| end + 1);
    let mut lines = text[..whole].lines();
    let Some(opening) = lines.next() else {
        // Nobody was told of an execution whose first line isn't whole.
        fs::remove_file(path)?;
        return Ok(None);
    };
    let opening = serde_json::from_str(opening)?;
    let told = lines.map(serde_json::from_str).collect::<Result<_, _>>()?;
    let file = OpenOptions::new().append(true).open(path)?;
    file.set_len(whole as u64)?;
    Ok(Some(Kept { opening, told, journal: Journal(file) }))
}

/// Names hold no colon, and nothing that a file's name must not hold.
fn path(folder: &Path, execution_arn: &str) -> PathBuf {
    folder.join(format!("{}.jsonl", execution_arn.trim_start_matches("arn:aws:states:")))
}
