//! The local inbox: what the topic's subscribers were sent.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use mailparse::{MailHeaderMap, parse_mail};

/// One mail.
#[derive(Debug, Clone)]
pub struct Mail {
    pub to: String,
    pub text: String,
}

impl Mail {
    /// The approval link in it.
    pub fn link(&self) -> Option<&str> {
        self.text.split_whitespace().find(|word| word.starts_with("http") && word.contains("/approvals/"))
    }
}

/// The mails that lie in the inbox, oldest first, leaving out those that were there before.
pub fn since(inbox: &Path, seen: &[PathBuf]) -> Result<Vec<Mail>> {
    files(inbox).into_iter().filter(|path| !seen.contains(path)).map(|path| read(&path)).collect()
}

/// The mails' files, oldest first.
pub fn files(inbox: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(inbox.join("mail"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "eml"))
        .collect();
    files.sort();
    files
}

fn read(path: &Path) -> Result<Mail> {
    let raw = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mail = parse_mail(&raw).with_context(|| format!("{} is no mail", path.display()))?;
    let to = mail.headers.get_first_value("To").unwrap_or_default();
    Ok(Mail { to, text: mail.get_body()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_is_found_in_whatever_encoding_the_mail_has() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("mail")).unwrap();
        let encoded = "To: a@example.org\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\nAnswer:\nhttp://127.0.0.1/approvals/id/sec=\nret\n\nBye\n";
        fs::write(folder.path().join("mail/2.eml"), encoded).unwrap();
        fs::write(folder.path().join("mail/1.eml"), "To: b@example.org\n\nno link\n").unwrap();
        let mails = since(folder.path(), &[folder.path().join("mail/1.eml")]).unwrap();
        assert_eq!(mails.len(), 1);
        assert_eq!((mails[0].to.as_str(), mails[0].link()), ("a@example.org", Some("http://127.0.0.1/approvals/id/secret")));
    }
}
