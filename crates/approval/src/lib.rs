//! What asking, answering and watching share: the mails and posts about a question, and what follows from every change of its record.

#[cfg(test)]
mod fixtures;
pub mod follow_up;
pub mod mail;
pub mod post;
mod words;

/// Where people find what they are told of.
#[derive(Debug, Clone)]
pub struct Site {
    /// Such as `prod`.
    pub environment: String,
    /// Where the approvals' pages are, without a slash at the end.
    pub base_url: String,
    /// Where a night's way can be followed.
    pub status_page_url: Option<String>,
}
