//! Who can be mailed: the email subscriptions of the approvers' topic.

use aws_sdk_sns::Client;
use nightly_domain::people::Address;
use nightly_domain::ports::{BoxError, PortError, Subscriptions};

/// The subscriptions of one topic.
#[derive(Debug, Clone)]
pub struct SnsSubscriptions {
    client: Client,
    topic_arn: String,
}

impl SnsSubscriptions {
    /// The subscriptions of this topic.
    pub fn new(client: Client, topic_arn: &str) -> Self {
        Self { client, topic_arn: topic_arn.to_owned() }
    }
}

impl Subscriptions for SnsSubscriptions {
    async fn confirmed(&self) -> Result<Vec<Address>, PortError> {
        let failed = |source: BoxError| PortError::new("ListSubscriptionsByTopic", source);
        let mut pages = self.client.list_subscriptions_by_topic().topic_arn(&self.topic_arn).into_paginator().send();
        let mut confirmed = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| failed(error.into()))?;
            let mailed = page.subscriptions().iter().filter(|subscription| {
                // In place of an ARN stands `PendingConfirmation`, or `Deleted` for what was unsubscribed.
                subscription.protocol() == Some("email") && subscription.subscription_arn().is_some_and(|arn| arn.starts_with("arn:"))
            });
            confirmed.extend(mailed.filter_map(|subscription| subscription.endpoint()?.parse().ok()));
        }
        Ok(confirmed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Aws;
    use crate::fake_server::FakeServer;

    fn page(subscriptions: &[(&str, &str, &str)], next: &str) -> (u16, String) {
        let member = |(arn, protocol, endpoint): &(&str, &str, &str)| {
            format!(
                "<member><SubscriptionArn>{arn}</SubscriptionArn><Protocol>{protocol}</Protocol><Endpoint>{endpoint}</Endpoint></member>"
            )
        };
        let members = subscriptions.iter().map(member).collect::<Vec<_>>().concat();
        let result = format!("<Subscriptions>{members}</Subscriptions>{next}");
        let result = format!("<ListSubscriptionsByTopicResult>{result}</ListSubscriptionsByTopicResult>");
        (200, format!("<ListSubscriptionsByTopicResponse>{result}</ListSubscriptionsByTopicResponse>"))
    }

    #[tokio::test]
    async fn only_a_confirmed_mail_subscription_reaches_somebody() {
        let server = FakeServer::answering(vec![
            page(
                &[("arn:aws:sns:1", "email", "a.berg@nordvik.example"), ("PendingConfirmation", "email", "b.osei@nordvik.example")],
                "<NextToken>more</NextToken>",
            ),
            page(
                &[
                    ("Deleted", "email", "c.marchetti@nordvik.example"),
                    ("arn:aws:sns:2", "https", "https://x.example/"),
                    ("arn:aws:sns:3", "email", "d.lind@nordvik.example"),
                ],
                "",
            ),
        ]);
        let confirmed = Aws::at(&server.address).subscriptions("arn:of:topic").confirmed().await.unwrap();
        assert_eq!(confirmed.iter().map(Address::person).collect::<Vec<_>>(), ["A. Berg", "D. Lind"]);
        assert!(server.requests()[1].contains("NextToken=more"), "{}", server.requests()[1]);
    }
}
