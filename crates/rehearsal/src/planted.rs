//! Wrong definitions, functions and deployments that look right. The rehearsal has to catch each of them: what judges is judged by them.

use lambda_http::RequestExt as _;
use nightly_approval::Site;
use nightly_domain::approval::{Approval, Bearer, Click, Decision, Handover, Remark};
use nightly_domain::delivery::revise;
use nightly_domain::link::Link;
use nightly_domain::ports::{Approvals as _, Clock as _, Desk as _, PortError, Replaced, TaskAnswer, Tasks as _};
use serde_json::{Value, json};

use crate::functions::{Answer, Event, Function, Invocation};
use crate::line::Ports;

/// One thing that is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// The definition: a heartbeat that nobody beats often enough for.
    HeartbeatTooShort,
    /// The definition: a failed job is caught and led to a Fail state, so that a redrive fails again.
    FailedJobIsCaught,
    /// The definition: a failed quality gate is tried again.
    GateIsRetried,
    /// The definition: the gate looks at the run's end, not at its rules.
    GateTakesAnEndForAPass,
    /// The definition: the join waits for the currency fetch.
    BarrierTooMany,
    /// The definition: a notifier that is down fails the night.
    NotifierFailsTheNight,
    /// The definition: its clock looks at no record.
    ExpiresWithoutLooking,
    /// The definition: silence is a yes.
    SilenceIsAYes,
    /// The deployment: the role lacks `glue:BatchStopJobRun`.
    MayNotStopJobs,
    /// The job: it publishes what is staged, whether it was approved or not.
    PublishesWhateverIsStaged,
    /// The definition: the night is claimed whoever owns it.
    ClaimsWithoutACondition,
    /// The definition: how the owner stands is read from the row, which a redrive leaves as it is.
    TrustsTheRow,
    /// The definition: a published date is built again without force.
    PublishedIsFree,
    /// The definition: a night that could not be claimed is built all the same.
    BuildsUnclaimed,
    /// The job: it publishes, whoever owns the night by now.
    PublishesWhoeverOwnsTheNight,
    /// The definition: nobody is ever asked.
    NobodyIsAsked,
    /// The definition: whatever question the input names counts as a yes.
    TakesAnyQuestionForAYes,
    /// The definition: what was only to be built is published.
    PublishesWhatWasOnlyToBeBuilt,
    /// The page: opening a link approves.
    ApprovesOnGet,
    /// The page: the answer is sent to Step Functions, and recorded after that.
    SendsBeforeRecording,
    /// The page: the answer is recorded, and nobody makes up for a crash before it is sent.
    RecordsAndForgets,
    /// The watch: it does everything but beat.
    WatchDoesNotBeat,
    /// The notices: what was begun to be told counts as told, whatever became of it.
    NoticeIsNotedBeforeItIsTold,
    /// The deployment: the rule on bad ends leaves those out that somebody has stopped.
    RuleForgetsStops,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 24] = [
        Self::HeartbeatTooShort,
        Self::FailedJobIsCaught,
        Self::GateIsRetried,
        Self::GateTakesAnEndForAPass,
        Self::BarrierTooMany,
        Self::NotifierFailsTheNight,
        Self::ExpiresWithoutLooking,
        Self::SilenceIsAYes,
        Self::MayNotStopJobs,
        Self::PublishesWhateverIsStaged,
        Self::ClaimsWithoutACondition,
        Self::TrustsTheRow,
        Self::PublishedIsFree,
        Self::BuildsUnclaimed,
        Self::PublishesWhoeverOwnsTheNight,
        Self::NobodyIsAsked,
        Self::TakesAnyQuestionForAYes,
        Self::PublishesWhatWasOnlyToBeBuilt,
        Self::ApprovesOnGet,
        Self::SendsBeforeRecording,
        Self::RecordsAndForgets,
        Self::WatchDoesNotBeat,
        Self::NoticeIsNotedBeforeItIsTold,
        Self::RuleForgetsStops,
    ];

    /// Puts it into the definition, where it belongs there.
    pub(crate) fn plant(self, definition: &mut Value) {
        let states = &mut definition["States"];
        match self {
            Self::HeartbeatTooShort => states["ManualApproval"]["HeartbeatSeconds"] = json!(240),
            Self::FailedJobIsCaught => {
                states["ApplyFx"]["Catch"] = json!([{"ErrorEquals": ["States.ALL"], "Output": {}, "Next": "BuildFailed"}]);
                states["BuildFailed"] = json!({"Type": "Fail", "Error": "BuildFailed", "Cause": "A job failed."});
            }
            Self::GateIsRetried => {
                states["QualityGate"]["Default"] = json!("AnotherTry");
                let again = "{% $exists($tries) ? $tries < 1 : true %}";
                states["AnotherTry"] = json!({
                    "Type": "Choice",
                    "Choices": [{"Condition": again, "Next": "TryAgain"}],
                    "Default": "QualityFailed",
                });
                states["TryAgain"] = json!({"Type": "Pass", "Assign": {"tries": 1}, "Output": {}, "Next": "StartQualityRun"});
            }
            Self::GateTakesAnEndForAPass => states["QualityGate"]["Choices"][0]["Condition"] = json!("{% $count($quality.rules) > 0 %}"),
            Self::BarrierTooMany => {
                let branches = states["BuildSources"]["Branches"].as_array().cloned().unwrap_or_default();
                let mut second = states["BuildSources"].clone();
                states["BuildSources"]["Branches"] = json!([branches[0]]);
                let next = std::mem::replace(&mut states["BuildSources"]["Next"], json!("BuildInventory"));
                second["Branches"] = json!([branches[1]]);
                second["Next"] = next;
                states["BuildInventory"] = second;
            }
            Self::NotifierFailsTheNight => {
                states["NotifyStakeholders"].as_object_mut().expect("a state").remove("Catch");
                states.as_object_mut().expect("states").remove("DeferNotice");
            }
            Self::ExpiresWithoutLooking => {
                let expires = states["ExpireApproval"].as_object_mut().expect("a state");
                expires["Arguments"].as_object_mut().expect("arguments").remove("ConditionExpression");
                expires["Arguments"]["ExpressionAttributeValues"].as_object_mut().expect("values").remove(":pending");
            }
            Self::SilenceIsAYes => {
                states["ApprovalDecision"]["Choices"][0]["Condition"] = json!("{% $verdict.decision != 'REJECTED' %}");
                states["ExpireApproval"]["Next"] = json!("ReadVerdict");
            }
            Self::ClaimsWithoutACondition => {
                states["ClaimNight"]["Arguments"].as_object_mut().expect("arguments").remove("ConditionExpression");
            }
            Self::TrustsTheRow => {
                states["ReadOwner"] = json!({
                    "Type": "Pass",
                    "Assign": {"owner": "{% {'status': $claimed.status, 'published': false} %}"},
                    "Output": {},
                    "Next": "ClaimStands",
                });
            }
            Self::PublishedIsFree => {
                states["ClaimStands"]["Choices"].as_array_mut().expect("choices").remove(0);
            }
            Self::BuildsUnclaimed => {
                states["ClaimNight"]["Catch"][0]["Next"] = json!("BuildSources");
                states["ClaimNight"]["Catch"][0]["Assign"] = json!({"claim": 1});
                for unreachable in ["ReadClaim", "ReadOwner", "ClaimStands", "NightAlreadyClaimed", "TakeOverNight"] {
                    states.as_object_mut().expect("states").remove(unreachable);
                }
            }
            Self::NobodyIsAsked => states["ApprovalNeeded"]["Choices"][1]["Condition"] = json!("{% true %}"),
            Self::TakesAnyQuestionForAYes => {
                let never = json!([{"Condition": "{% false %}", "Assign": {"problem": ""}, "Next": "BatchApprovalInvalid"}]);
                states["BatchApprovalCounts"]["Choices"] = never;
                states["BatchApprovalCounts"]["Assign"]["waiver"] =
                    json!({"kind": "BATCH", "executionArn": "{% $batchApproval %}", "by": "somebody", "at": "{% $startedAt %}"});
            }
            Self::PublishesWhatWasOnlyToBeBuilt => {
                states["ApprovalNeeded"]["Choices"][0]["Next"] = json!("ManualApproval");
                states.as_object_mut().expect("states").remove("RecordBuilt");
            }
            _ => {}
        }
    }

    /// What stands in a function's place.
    pub(crate) fn handler(self) -> Option<Handler> {
        match self {
            Self::ApprovesOnGet => Some(Handler::ApprovesOnGet),
            Self::SendsBeforeRecording => Some(Handler::SendsBeforeRecording),
            Self::RecordsAndForgets => Some(Handler::RecordsAndForgets),
            Self::WatchDoesNotBeat => Some(Handler::WatchDoesNotBeat),
            _ => None,
        }
    }
}

/// A wrong function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handler {
    ApprovesOnGet,
    SendsBeforeRecording,
    RecordsAndForgets,
    WatchDoesNotBeat,
}

impl Handler {
    pub(crate) fn takes_the_place_of(self, function: Function) -> bool {
        match function {
            Function::ApprovalCallback => self != Self::WatchDoesNotBeat,
            // Whoever forgets has no watch that remembers.
            Function::ApprovalWatch => matches!(self, Self::WatchDoesNotBeat | Self::RecordsAndForgets | Self::SendsBeforeRecording),
            _ => false,
        }
    }

    pub(crate) fn invoke(self, event: Event, line: Ports, site: Site) -> Invocation {
        Box::pin(async move {
            match event {
                Event::Http(request) => self.page(*request, line, site).await,
                Event::Payload(payload) => self.round(payload, line).await,
            }
        })
    }

    /// The page, with an answer taken in another way than ours.
    async fn page(self, request: lambda_http::Request, desk: Ports, site: Site) -> Answer {
        let sends = request.method() == lambda_http::http::Method::POST;
        let opens = request.method() == lambda_http::http::Method::GET;
        let form = String::from_utf8_lossy(request.body().as_ref()).into_owned();
        let path = request.raw_http_path().to_owned();
        let decision = if form.starts_with("decision=reject") {
            Some(Decision::Reject { reason: Remark::parse("The figures look wrong.").expect("a reason") })
        } else if form.starts_with("decision=approve") || self == Self::ApprovesOnGet && opens {
            Some(Decision::Approve { comment: None })
        } else {
            None
        };
        if let Some(decision) = decision.filter(|_| sends || self == Self::ApprovesOnGet) {
            let taken = self.take(&desk, &path, decision).await;
            if sends {
                return match taken {
                    Ok(()) => Answer::Page { status: 303, body: String::new() },
                    Err(_) => Answer::Page { status: 503, body: "<h1>Please try again in a minute</h1>".to_owned() },
                };
            }
        }
        let ports = approval_callback::Ports { desk, site };
        let response = approval_callback::handle(&ports, request).await;
        let status = response.status().as_u16();
        Answer::Page { status, body: String::from_utf8_lossy(response.body().as_ref()).into_owned() }
    }

    async fn take(self, desk: &Ports, path: &str, decision: Decision) -> Result<(), PortError> {
        let Some(link) = Link::from_path(path) else { return Ok(()) };
        let Some(seen) = desk.approvals().read(&link.approval).await? else { return Ok(()) };
        let Bearer::Approver(place) = seen.bearer(&link.secret.hash()) else { return Ok(()) };
        let Click::Counts(next) = seen.click(place, decision, desk.clock().now()) else { return Ok(()) };
        let verdict = next.undelivered().map(|verdict| serde_json::to_string(verdict).expect("a verdict is JSON"));
        if self == Self::SendsBeforeRecording
            && let Some(verdict) = &verdict
        {
            let answer = desk.tasks().succeed(&next.task_token, verdict).await?;
            if answer == TaskAnswer::Closed {
                return Ok(());
            }
            let handed_over = next.handed_over(Handover::Delivered { at: desk.clock().now() });
            let over = |current: &Approval| Some(Approval { revision: current.revision + 1, ..handed_over.clone() });
            return revise(desk.approvals(), seen, over).await.map(drop);
        }
        if desk.approvals().replace(Some(&seen), &next).await? != Replaced::Stored {
            return Ok(());
        }
        if let Some(verdict) = verdict
            && let Ok(TaskAnswer::Accepted) = desk.tasks().succeed(&next.task_token, &verdict).await
        {
            let handed_over = next.handed_over(Handover::Delivered { at: desk.clock().now() });
            // Whether it is marked is not looked at again.
            drop(desk.approvals().replace(Some(&next), &handed_over).await);
        }
        Ok(())
    }

    /// A watch that beats, or that does all but beat.
    async fn round(self, payload: Value, line: Ports) -> Answer {
        let Ok(watch) = serde_json::from_value::<nightly_domain::ports::Watch>(payload) else {
            return Answer::Failed("InvalidInput".to_owned(), String::new());
        };
        let record = line.approvals().read(&watch.approval_id).await;
        if let Ok(Some(record)) = record
            && self != Self::WatchDoesNotBeat
        {
            drop(line.tasks().beat(&record.task_token).await);
        }
        Answer::Payload(json!({}))
    }
}
