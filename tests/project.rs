//! Reads the project's own files, wherever the tests are started.

use std::fs;
use std::path::{Path, PathBuf};

/// The folder that holds the whole project.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie in the project").to_owned()
}

/// The text of a file, named from the project's root.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The part of ARCHITECTURE.md between one heading and the next of the same depth.
pub(crate) fn architecture(heading: &str) -> String {
    let text = read("ARCHITECTURE.md");
    let depth = heading.split(' ').next().expect("a heading begins with its depth");
    let mut lines = text.lines().skip_while(|line| *line != heading).skip(1).peekable();
    assert!(lines.peek().is_some(), "ARCHITECTURE.md has no «{heading}»");
    lines.take_while(|line| !line.starts_with(&format!("{depth} "))).collect::<Vec<_>>().join("\n")
}

/// What stands between backticks, in order.
pub(crate) fn code_words(markdown: &str) -> Vec<&str> {
    markdown.split('`').skip(1).step_by(2).collect()
}
