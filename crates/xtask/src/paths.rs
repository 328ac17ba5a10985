//! Where things lie: the workspace, a night's folder inside `target`, the user's cache.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The workspace's root.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the crate lies two folders below the workspace").to_path_buf()
}

/// Where cargo builds.
pub fn target() -> PathBuf {
    variable("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from)
}

/// Everything that a local night writes: objects, inbox, logs.
pub fn night() -> PathBuf {
    target().join("night")
}

/// What outlives a clone: virtual environments and generated data.
pub fn cache() -> Result<PathBuf> {
    let base = variable("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| variable("HOME").map(|home| Path::new(&home).join(".cache")))
        .context("neither XDG_CACHE_HOME nor HOME is set: there is no place for the virtual environments")?;
    Ok(base.join("nightly-warehouse"))
}

/// An executable of that name on the search path.
pub fn find_executable(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&variable("PATH")?).map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// An environment variable of the machine that we run on; everything of our own is an argument.
#[expect(clippy::disallowed_methods, reason = "a command-line tool finds its machine through the environment; this is the one place")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Bytes as file names spell them.
pub fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write;

    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes everything");
        text
    })
}
