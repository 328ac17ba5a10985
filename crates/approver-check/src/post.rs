//! What the stakeholders' channel is told about people whom no mail reaches. Block Kit, docs.slack.dev.

use nightly_pages::written;
use serde_json::{Value, json};

use crate::{Reach, Settings, called};

pub(crate) fn message(reach: &Reach<'_>, settings: &Settings) -> Value {
    let (sign, headline) = if reach.is_enough() {
        (":warning:", format!("No mail reaches {}", people(reach)))
    } else {
        (":small_red_triangle:", format!("Too few can be asked: no mail reaches {}", people(reach)))
    };
    let lead = format!("{sign} *{}*\n{}", escaped(&headline), consequence(reach));
    json!({
        "text": escaped(&headline),
        "unfurl_links": false,
        "unfurl_media": false,
        "blocks": [
            section(&lead),
            section(&what_to_do(&settings.topic_arn)),
            {"type": "context", "elements": [markdown(&escaped(&format!("nightly-warehouse {}", settings.environment)))]},
        ],
    })
}

fn people(reach: &Reach<'_>) -> String {
    let approvers = reach.unreachable_approvers.iter().map(|address| called(address));
    let deputies = reach.unreachable_deputies.iter().map(|address| format!("{} (deputy)", called(address)));
    written::list(&approvers.chain(deputies).collect::<Vec<_>>())
}

fn consequence(reach: &Reach<'_>) -> String {
    let needed = written::count(reach.panel.required().into(), "approval is", "approvals are");
    let all = written::count(reach.panel.addresses().len() as u64, "approver", "approvers");
    let reachable = match reach.reachable_approvers() {
        0 => format!("none of {all} can be mailed"),
        reachable => format!("{} of {all} can be mailed", written::integer(reachable as u64)),
    };
    let verdict = if reach.is_enough() { "That is enough." } else { "As it stands, the next question cannot be approved." };
    format!("{needed} needed, and {reachable}. {verdict}")
}

/// An unconfirmed subscription is forgotten after 48 hours, and subscribing again sends the confirmation again. The filter is the template's:
/// without it, they would get everybody's links.
fn what_to_do(topic_arn: &str) -> String {
    let command = format!(
        "aws sns subscribe --topic-arn {topic_arn} --protocol email --notification-endpoint ADDRESS \
         --attributes '{{\"FilterPolicy\": \"{{\\\"approver\\\": [\\\"ADDRESS\\\"]}}\"}}'"
    );
    format!(
        "They have to confirm their subscription, with the link in the mail _AWS Notification - Subscription Confirmation_. \
         It is good for 48 hours. To send it again, put their address in both places:\n```{}```",
        escaped(&command)
    )
}

fn section(text: &str) -> Value {
    json!({"type": "section", "text": markdown(text)})
}

fn markdown(text: &str) -> Value {
    json!({"type": "mrkdwn", "text": text})
}

/// Slack asks to escape these three characters, and no other.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
