//! What the approvers were asked by mail since an execution began: its own questions, and those of the executions that it has started.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use console::style;
use serde_json::json;

use crate::client::Client;
use crate::local::{APPROVERS, Stack};
use crate::mail::{self, Mail};
use crate::progress::Progress;

/// What the button says with which a command approves by itself.
pub const APPROVE: [(&str, &str); 3] = [("decision", "approve"), ("seen", "yes"), ("comment", "approved unattended")];

/// The questions of one execution, in a mailbox that others write to as well.
pub struct Questions {
    mails_before: Vec<PathBuf>,
    /// By a question's id; what others ask is here too, so that each is looked up once.
    all: BTreeMap<String, Option<Question>>,
}

/// One question.
#[derive(Default)]
struct Question {
    /// Each approver's own link, as it was first mailed.
    links: BTreeMap<&'static str, String>,
    answered: usize,
    told: bool,
}

impl Questions {
    /// To be made before the execution starts: what lies in the inbox already is none of its business.
    pub fn from_now_on(stack: &Stack) -> Self {
        Self { mails_before: mail::files(&stack.addresses.inbox()), all: BTreeMap::new() }
    }

    /// Reads what was mailed since, and leaves aside what other executions ask.
    pub fn see(&mut self, stack: &Stack, execution: &str) -> Result<()> {
        let mails = mail::since(&stack.addresses.inbox(), &self.mails_before)?;
        self.sort(&mails, |id| Ok(who_asks(stack, id)?.is_some_and(|asking| is_of(&asking, execution))))
    }

    fn sort(&mut self, mails: &[Mail], is_ours: impl Fn(&str) -> Result<bool>) -> Result<()> {
        for mail in mails {
            let Some(approver) = APPROVERS.into_iter().find(|approver| *approver == mail.to) else { continue };
            let Some(link) = mail.link() else { continue };
            let id = link.rsplit('/').nth(1).context("an approval link ends with the question and the secret")?;
            if !self.all.contains_key(id) {
                self.all.insert(id.to_owned(), is_ours(id)?.then(Question::default));
            }
            if let Some(question) = self.all.get_mut(id).and_then(Option::as_mut) {
                question.links.entry(approver).or_insert_with(|| link.to_owned());
            }
        }
        Ok(())
    }

    fn ours(&mut self) -> impl Iterator<Item = &mut Question> {
        self.all.values_mut().flatten()
    }

    /// Presses the button of as many people as are wanted, in the order in which they are named.
    pub fn answer(&mut self, wanted: usize, fields: &[(&str, &str)]) -> Result<()> {
        for question in self.ours() {
            let (links, answered) = (&question.links, &mut question.answered);
            while let Some(link) = APPROVERS.get(*answered).and_then(|approver| links.get(approver)).filter(|_| *answered < wanted) {
                press(link, fields)?;
                *answered += 1;
            }
        }
        Ok(())
    }

    /// Shows each question once, as soon as everybody was mailed.
    pub fn tell_the_new(&mut self, stack: &Stack, progress: &Progress, approvals: u32) {
        for question in self.ours().filter(|question| question.is_to_be_told()) {
            question.told = true;
            question.show(stack, progress, approvals);
        }
    }
}

impl Question {
    fn is_to_be_told(&self) -> bool {
        !self.told && self.links.len() == APPROVERS.len()
    }

    fn show(&self, stack: &Stack, progress: &Progress, approvals: u32) {
        progress.line("");
        let needed = match approvals {
            1 => "one approval is enough",
            _ => "both approvals are needed",
        };
        progress.line(format!("  {} Open the mailed links and decide; {needed}:", style("?").blue().bold()));
        for (to, link) in &self.links {
            progress.line(format!("    {}", style(to).dim()));
            progress.line(format!("    {}", style(link).underlined()));
        }
        progress.line(format!("    {}  {}", style("inbox").dim(), style(stack.addresses.outside_url()).underlined()));
        progress.line("");
    }
}

/// The execution that waits for the answer; none of this stack's where its table has no record, which is written before anybody is mailed.
fn who_asks(stack: &Stack, approval_id: &str) -> Result<Option<String>> {
    let record = stack.client().call(
        "dynamodb",
        "DynamoDB_20120810.GetItem",
        &json!({
            "TableName": stack.outputs.value("ApprovalsTable")?,
            "Key": {"approval_id": {"S": approval_id}},
            "ProjectionExpression": "execution_arn",
            "ConsistentRead": true,
        }),
    )?;
    Ok(record["Item"]["execution_arn"]["S"].as_str().map(str::to_owned))
}

/// Whether it is the execution itself or was started by it: a nested one's name ends with that of its parent.
fn is_of(asking: &str, execution: &str) -> bool {
    let name = |arn: &str| arn.rsplit(':').next().unwrap_or_default().to_owned();
    let (asking, execution) = (name(asking), name(execution));
    asking == execution || asking.ends_with(&format!("-{execution}"))
}

/// Presses the button behind a mailed link.
fn press(link: &str, fields: &[(&str, &str)]) -> Result<()> {
    let (status, page) = Client::submit_form(link, fields)?;
    if !(200..400).contains(&status) {
        bail!("the approval page answered {status} to the decision: {page}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(to: &str, id: &str) -> Mail {
        Mail { to: to.to_owned(), text: format!("Answer: http://127.0.0.1/approvals/{id}/{to}") }
    }

    #[test]
    fn a_question_is_told_once_everybody_was_mailed_and_only_where_the_execution_asks_it() {
        let mut questions = Questions { mails_before: Vec::new(), all: BTreeMap::new() };
        let looked_up = std::cell::Cell::new(0);
        let mut see = |mails: &[Mail]| {
            let is_ours = |id: &str| {
                looked_up.set(looked_up.get() + 1);
                Ok(id == "ours")
            };
            questions.sort(mails, is_ours).unwrap();
            questions.ours().filter(|question| question.is_to_be_told()).count()
        };
        let [berg, osei] = APPROVERS;
        assert_eq!(see(&[mail(berg, "theirs"), mail(osei, "theirs"), mail(berg, "ours"), mail("somebody@else.example", "ours")]), 0);
        assert_eq!(see(&[mail(berg, "theirs"), mail(osei, "ours")]), 1);
        assert_eq!(looked_up.get(), 2, "each question is looked up once");
    }

    #[test]
    fn an_execution_asks_for_itself_and_through_those_that_it_starts() {
        let arn = |machine: &str, name: &str| format!("arn:aws:states:eu-central-1:000000000000:execution:{machine}:{name}");
        let backfill = arn("backfill", "b-1");
        for (asking, is_ours) in [
            (backfill.clone(), true),
            (arn("question", "b-1"), true),
            (arn("night", "2026-10-25-b-1"), true),
            (arn("night", "2026-10-25-b-12"), false),
            (arn("question", "xb-1"), false),
        ] {
            assert_eq!(is_of(&asking, &backfill), is_ours, "{asking}");
        }
    }
}
