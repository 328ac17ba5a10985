//! Telling, medium by medium: each once, and none of them kept from it by another.

use jiff::Timestamp;
use nightly_domain::Flag;
use nightly_domain::channel::Channel;
use nightly_domain::history::Histories;
use nightly_domain::nights::{Begun, Medium, Nights, NoticeId, Notices};
use nightly_domain::ports::{Clock, MailingList, Objects};
use serde_json::Value;

use crate::letter::Letter;
use crate::record::{MailNews, News, SlackNews};
use crate::{NotifyError, Ports};

impl<Store, Past, Registry, Room, List, Lists, Output, Now> Ports<Store, Past, Registry, Room, List, Lists, Output, Now>
where
    Store: Objects,
    Past: Histories,
    Registry: Nights + Notices,
    Room: Channel,
    List: MailingList,
    Lists: Fn(&str) -> List,
    Output: Fn(&Value),
    Now: Clock,
{
    /// Who is told of a night: whoever there is, or nobody where its input said so. The page says everything.
    pub(crate) fn stakeholders(&self, flags: &[Flag]) -> Audience<'_, Room, List> {
        if flags.contains(&Flag::SkipNotify) {
            return Audience { channel: None, list: None };
        }
        Audience { channel: self.channel.as_ref(), list: self.mailing_list.as_ref() }
    }

    /// Who is told of a dataset's build: the channel, and those whom the dataset itself names.
    pub(crate) fn told_of_dataset<'a>(&'a self, list: &'a List) -> Audience<'a, Room, List> {
        Audience { channel: self.channel.as_ref(), list: Some(list) }
    }

    /// Tells it by every medium that doesn't have it yet. Answers with who has it now, and why others don't.
    pub(crate) async fn spread(
        &self,
        notice: &NoticeId,
        post: &Value,
        letter: &Letter,
        audience: &Audience<'_, Room, List>,
    ) -> (News, Vec<NotifyError>) {
        let mut news = audience.news_before(None);
        let mut untold = Vec::new();
        if let Some(channel) = audience.channel {
            let send = async || channel.post(post).await.map(drop).map_err(NotifyError::Slack);
            match self.once(notice, Medium::Slack, send).await {
                Ok(at) => news.slack = SlackNews::Posted { at },
                Err(error) => untold.push(error),
            }
        }
        if let Some(list) = audience.list {
            let send = async || list.mail(&letter.subject, &letter.text).await.map_err(NotifyError::Mail);
            match self.once(notice, Medium::Mail, send).await {
                Ok(at) => news.mail = MailNews::Sent { at },
                Err(error) => untold.push(error),
            }
        }
        (news, untold)
    }

    /// Writes the lines for the dashboard, once for each notice: written twice, a night would count twice.
    pub(crate) async fn put_on_record(&self, notice: &NoticeId, lines: &[Value]) -> Result<(), NotifyError> {
        let write = async || {
            lines.iter().for_each(&self.metrics);
            Ok(())
        };
        self.once(notice, Medium::Metrics, write).await.map(drop)
    }

    /// Sends it, unless that is done. Answers with when.
    async fn once(
        &self,
        notice: &NoticeId,
        medium: Medium,
        send: impl AsyncFnOnce() -> Result<(), NotifyError>,
    ) -> Result<Timestamp, NotifyError> {
        let begun_at = self.clock.now();
        match self.registry.begin(notice, medium, begun_at).await.map_err(NotifyError::Storage)? {
            Begun::Yes => {}
            Begun::UnderWay => return Err(NotifyError::UnderWay(medium.name())),
            Begun::Told { at } => return Ok(at),
        }
        if let Err(error) = send().await {
            if let Err(kept) = self.registry.give_up(notice, medium, begun_at).await {
                tracing::warn!(notice = %notice, medium = medium.name(), error = %kept, "the next try has to wait a little");
            }
            return Err(error);
        }
        let at = self.clock.now();
        tracing::info!(notice = %notice, medium = medium.name(), step = "notify-stakeholders", "told");
        if let Err(error) = self.registry.told(notice, medium, at).await {
            // The news is out: failing here would bring it again.
            tracing::warn!(notice = %notice, medium = medium.name(), error = %error, "it is told, and another delivery may tell it again");
        }
        Ok(at)
    }
}

/// Who is told.
#[derive(Debug)]
pub(crate) struct Audience<'a, Room, List> {
    channel: Option<&'a Room>,
    list: Option<&'a List>,
}

impl<Room, List> Audience<'_, Room, List> {
    /// What is known to be told, by what is stored.
    pub(crate) fn news_before(&self, stored: Option<&News>) -> News {
        let slack = stored.map(|news| news.slack.clone()).filter(|slack| matches!(slack, SlackNews::Posted { .. }));
        let mail = stored.map(|news| news.mail.clone()).filter(|mail| matches!(mail, MailNews::Sent { .. }));
        let no_slack = if self.channel.is_some() { SlackNews::Pending } else { SlackNews::NotConfigured };
        let no_mail = if self.list.is_some() { MailNews::Pending } else { MailNews::NotConfigured };
        News { slack: slack.unwrap_or(no_slack), mail: mail.unwrap_or(no_mail) }
    }
}

/// The first trouble fails the function; the others are in the log.
pub(crate) fn first(troubles: Vec<NotifyError>) -> Result<(), NotifyError> {
    let mut troubles = troubles.into_iter();
    let Some(first) = troubles.next() else { return Ok(()) };
    for other in troubles {
        tracing::warn!(error = &other as &dyn std::error::Error, "this failed, too");
    }
    Err(first)
}
