//! What follows from a record, whoever changed it: mails, news for the channel, and the audit. What a crash or an outage leaves undone is
//! due again in the next round of the watch.
//!
//! Nothing is lost by that, and something may come twice: a mail or a post that is out, and whose mark in the record could not be set. A
//! mark that fails is tried again at once, so that this takes a crash or a longer outage. Two who do the same at the same moment may do it
//! twice, too: that costs a mail or a post, and decides nothing.

use nightly_domain::approval::{Approval, Notice, Said};
use nightly_domain::audit;
use nightly_domain::channel::{Channel as _, PostError};
use nightly_domain::delivery::{Revised, revise};
use nightly_domain::link::{Link, SecretHash};
use nightly_domain::ports::{Approvals, Clock as _, Desk, Mail as _, PortError, Secrets as _};

use crate::{Site, mail, post};

/// Something that is due could not be done.
#[derive(Debug, thiserror::Error)]
pub enum NotDone {
    /// Mails are still to be sent.
    #[error("a mail that is due may not have been sent")]
    Mail(#[source] PortError),
    /// Mails were sent, and the record doesn't say so: they will come again.
    #[error("what was mailed is not recorded")]
    Mailed(#[source] PortError),
    /// The channel does not know what it should.
    #[error("the channel may not have been told")]
    Channel(#[source] PostError),
    /// The channel may know what it should, and the record doesn't say so.
    #[error("what the channel was told is not recorded")]
    Announcement(#[source] PortError),
    /// What happened does not stand in the audit.
    #[error("the audit does not hold yet what the record tells")]
    Audit(#[source] PortError),
}

/// Does all that is due: mails, then the audit, then the channel. One that fails keeps none of the others from being done; the first failure
/// is answered with, and every one is logged.
pub async fn follow_up(desk: &impl Desk, site: &Site, record: Approval) -> Result<Approval, NotDone> {
    let (record, mailed) = match send_mails(desk, site, record.clone()).await {
        Ok(mailed) => (mailed, Ok(())),
        Err(error) => (record, Err(error)),
    };
    if let Err(error) = &mailed {
        tracing::warn!(approval = %record.id, error = error as &dyn std::error::Error, "a mail is left to the watch");
    }
    let told = tell(desk, site, record).await;
    mailed.and(told)
}

/// Tells the audit, then the channel. One that fails does not keep the other from being told; the first failure is answered with, and both
/// are logged.
pub async fn tell(desk: &impl Desk, site: &Site, record: Approval) -> Result<Approval, NotDone> {
    let audited = audit::append(desk.audit(), &record.id, &audit::told_by(&record)).await.map_err(NotDone::Audit);
    if let Err(error) = &audited {
        tracing::warn!(approval = %record.id, error = error as &dyn std::error::Error, "the audit is left to the watch");
    }
    let id = record.id.clone();
    let announced = announce(desk, site, record).await;
    if let Err(error) = &announced {
        tracing::warn!(approval = %id, error = error as &dyn std::error::Error, "the channel is left to the watch");
    }
    audited.and(announced)
}

/// A mark that says what is out already is worth more than one try: without it, that comes again.
const MARKS: usize = 3;

async fn mark(
    approvals: &impl Approvals,
    record: &Approval,
    change: impl Fn(&Approval) -> Option<Approval>,
) -> Result<Option<Approval>, PortError> {
    let mut tries = 1;
    loop {
        match revise(approvals, record.clone(), &change).await {
            Ok(Revised::Stored(current) | Revised::Left(current)) => return Ok(Some(*current)),
            Ok(Revised::Gone) => return Ok(None),
            Err(_) if tries < MARKS => tries += 1,
            Err(error) => return Err(error),
        }
    }
}

/// Sends the mails that are due. First their links are recorded, then they are sent, then that is recorded: a mail may come twice after a
/// crash, and both its links are good.
pub async fn send_mails(desk: &impl Desk, site: &Site, record: Approval) -> Result<Approval, NotDone> {
    let now = desk.clock().now();
    let due = record.notices_due(now);
    if due.is_empty() {
        return Ok(record);
    }
    let mut letters = Vec::new();
    for (place, notice) in due {
        let secret = desk.secrets().secret().map_err(NotDone::Mail)?;
        letters.push((place, notice, Link { approval: record.id.clone(), secret }));
    }
    let generation = record.generation;
    // Somebody may have answered in the meantime, or sent the same: what is no longer due then is not sent.
    let still_due = |current: &Approval| -> Vec<(usize, Notice, SecretHash)> {
        let due = if current.generation == generation { current.notices_due(now) } else { Vec::new() };
        let wanted = letters.iter().filter(|(place, notice, _)| due.contains(&(*place, *notice)));
        wanted.map(|(place, notice, link)| (*place, *notice, link.secret.hash())).collect()
    };
    let with_links = |current: &Approval| {
        let due = still_due(current);
        (!due.is_empty()).then(|| current.about_to_mail(due))
    };
    let record = match revise(desk.approvals(), record.clone(), with_links).await.map_err(NotDone::Mail)? {
        Revised::Stored(record) => *record,
        Revised::Left(current) => return Ok(*current),
        Revised::Gone => return Ok(record),
    };
    let mut sent = Vec::new();
    let mut failure = None;
    for (place, notice, link) in &letters {
        let hash = link.secret.hash();
        let Some(approver) = record.approvers.get(*place).filter(|approver| approver.links.iter().any(|link| link.secret_hash == hash))
        else {
            continue;
        };
        let written = mail::write(&record, *place, *notice, link, site).map_err(|error| PortError::new("writing a mail", error));
        let outcome = match written {
            Ok(written) => desk.mail().send(&approver.address, &written.subject, &written.text).await,
            Err(error) => Err(error),
        };
        match outcome {
            Ok(()) => sent.push(hash),
            // Whoever can still be mailed is.
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    let at = desk.clock().now();
    let sent = |current: &Approval| (current.generation == generation && !sent.is_empty()).then(|| current.mailed(&sent, at));
    let marked = mark(desk.approvals(), &record, sent).await;
    match (failure, marked) {
        (Some(error), _) => Err(NotDone::Mail(error)),
        (None, Err(error)) => Err(NotDone::Mailed(error)),
        (None, Ok(current)) => Ok(current.unwrap_or(record)),
    }
}

/// What is told may be out of date when it stands there, and then the next thing is due: the question, how it ended, the question put again.
const TELLINGS: usize = 3;

/// Tells the channel what is due: the question, then how it ended.
pub async fn announce(desk: &impl Desk, site: &Site, record: Approval) -> Result<Approval, NotDone> {
    let mut record = record;
    for _ in 0..TELLINGS {
        match announce_next(desk, site, &record).await? {
            Some(current) => record = current,
            None => break,
        }
    }
    Ok(record)
}

/// Tells what is due next. Answers with the record after that, or `None` where nothing was due.
async fn announce_next(desk: &impl Desk, site: &Site, record: &Approval) -> Result<Option<Approval>, NotDone> {
    let (Some(channel), Some(due)) = (desk.channel(), record.announcement_due()) else {
        return Ok(None);
    };
    let (record, message) = match due {
        Said::Question(_) => {
            let secret = desk.secrets().secret().map_err(NotDone::Announcement)?;
            let link = Link { approval: record.id.clone(), secret };
            let with_viewer =
                |current: &Approval| (current.announcement_due() == Some(due)).then(|| current.about_to_post(link.secret.hash()));
            match revise(desk.approvals(), record.clone(), with_viewer).await.map_err(NotDone::Announcement)? {
                Revised::Stored(record) => {
                    let message = post::question(&record, &link, site);
                    (*record, message)
                }
                Revised::Left(current) => return Ok(Some(*current)),
                Revised::Gone => return Ok(None),
            }
        }
        Said::Outcome(_) | Said::Nothing => {
            // Somebody else may have told it since this record was read: a click and the watch come here at the same time.
            let current = desk.approvals().read(&record.id).await.map_err(NotDone::Announcement)?;
            let Some(current) = current else { return Ok(None) };
            if current.announcement_due() != Some(due) {
                return Ok(Some(current));
            }
            let message = post::outcome(&current, site);
            (current, message)
        }
    };
    let posted = match &record.announcement.message {
        Some(standing) => channel.update(standing, &message).await.map(|()| None),
        None => channel.post(&message).await,
    };
    let posted = posted.map_err(NotDone::Channel)?;
    // Also where the question was decided or put again in the meantime: whatever is due then takes the place of this message.
    let said = |current: &Approval| (current.announcement == record.announcement).then(|| current.announced(due, posted.clone()));
    mark(desk.approvals(), &record, said).await.map_err(NotDone::Announcement)
}

#[cfg(test)]
mod tests;
