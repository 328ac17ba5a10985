//! Mail by SNS. To approvers: one topic, on which each approver's subscription lets only their own mails through. To everybody: another.

use aws_sdk_sns::Client;
use aws_sdk_sns::types::MessageAttributeValue;
use nightly_domain::people::Address;
use nightly_domain::ports::{BoxError, Mail, MailingList, PortError};

/// The approvers' topic.
#[derive(Debug, Clone)]
pub struct SnsMail {
    client: Client,
    topic_arn: String,
}

impl SnsMail {
    /// Mail through this topic.
    pub fn new(client: Client, topic_arn: &str) -> Self {
        Self { client, topic_arn: topic_arn.to_owned() }
    }
}

impl Mail for SnsMail {
    async fn send(&self, to: &Address, subject: &str, text: &str) -> Result<(), PortError> {
        let failed = |source: BoxError| PortError::new(format!("Publish to {to:?}"), source);
        // The filter policies compare with this attribute.
        let approver = MessageAttributeValue::builder().data_type("String").string_value(to.as_str()).build();
        let approver = approver.map_err(|error| failed(error.into()))?;
        let mail = self.client.publish().topic_arn(&self.topic_arn).subject(subject).message(text).message_attributes("approver", approver);
        mail.send().await.map_err(|error| failed(error.into()))?;
        Ok(())
    }
}

/// A topic whose every subscriber gets every mail.
#[derive(Debug, Clone)]
pub struct SnsMailingList {
    client: Client,
    topic_arn: String,
}

impl SnsMailingList {
    /// The subscribers of this topic.
    pub fn new(client: Client, topic_arn: &str) -> Self {
        Self { client, topic_arn: topic_arn.to_owned() }
    }
}

impl MailingList for SnsMailingList {
    async fn mail(&self, subject: &str, text: &str) -> Result<(), PortError> {
        let mail = self.client.publish().topic_arn(&self.topic_arn).subject(subject).message(text);
        mail.send().await.map_err(|error| PortError::new(format!("Publish to {}", self.topic_arn), error))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Aws;
    use crate::fake_server::FakeServer;

    #[tokio::test]
    async fn a_mail_carries_the_attribute_that_the_subscriptions_filter_by() {
        let answer = "<PublishResponse><PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>";
        let server = FakeServer::answering(vec![
            (200, answer.into()),
            (403, "<ErrorResponse><Error><Code>AuthorizationError</Code></Error></ErrorResponse>".into()),
        ]);
        let mail = Aws::at(&server.address).mail("arn:aws:sns:eu-central-1:111122223333:approvals");
        let to = "a.berg@nordvik.example".parse().unwrap();
        mail.send(&to, "Publish?", "A question").await.unwrap();
        let sent = &server.requests()[0];
        assert!(
            sent.contains("MessageAttributes.entry.1.Name=approver") && sent.contains("StringValue=a.berg%40nordvik.example"),
            "{sent}"
        );
        assert_eq!(mail.send(&to, "Publish?", "A question").await.unwrap_err().to_string(), "Publish to a…@nordvik.example failed");
    }

    #[tokio::test]
    async fn a_mail_to_everybody_has_no_attribute_to_filter_by() {
        let answer = "<PublishResponse><PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>";
        let server = FakeServer::answering(vec![(200, answer.into())]);
        let list = Aws::at(&server.address).mailing_list("arn:aws:sns:eu-central-1:111122223333:stakeholders");
        list.mail("FAILED: apply-fx", "The night failed.").await.unwrap();
        let sent = &server.requests()[0];
        assert!(sent.contains("Subject=FAILED%3A%20apply-fx") && sent.contains("stakeholders") && !sent.contains("Attributes"), "{sent}");
    }
}
