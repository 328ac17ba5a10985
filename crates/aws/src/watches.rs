//! The schedules that call `approval-watch`, in EventBridge Scheduler.

use aws_sdk_scheduler::Client;
use aws_sdk_scheduler::operation::create_schedule::CreateScheduleError;
use aws_sdk_scheduler::operation::delete_schedule::DeleteScheduleError;
use aws_sdk_scheduler::primitives::DateTime;
use aws_sdk_scheduler::types::{ActionAfterCompletion, FlexibleTimeWindow, FlexibleTimeWindowMode, RetryPolicy, Target};
use jiff::Timestamp;
use nightly_domain::ports::{BoxError, PortError, Watch, Watches};

/// The group of schedules that the approvals share, for those who only end watches.
#[derive(Debug, Clone)]
pub struct SchedulerWatches {
    client: Client,
    group: String,
    rounds: Option<Rounds>,
}

/// How a watch goes its rounds.
#[derive(Debug, Clone)]
pub struct Rounds {
    /// `approval-watch`.
    pub function_arn: String,
    /// What Scheduler invokes it with.
    pub role_arn: String,
    /// Minutes between two rounds, at least one.
    pub minutes: u32,
}

/// The function is not set up to begin watches.
#[derive(Debug, thiserror::Error)]
#[error("no rounds are configured")]
struct NoRounds;

impl SchedulerWatches {
    /// Watches in this group; who begins them has to say how they go their rounds.
    pub fn new(client: Client, group: &str, rounds: Option<Rounds>) -> Self {
        Self { client, group: group.to_owned(), rounds }
    }

    fn name(watch: &Watch) -> String {
        format!("approval-{}-{}", watch.approval_id, watch.generation)
    }
}

impl Watches for SchedulerWatches {
    async fn begin(&self, watch: &Watch, until: Timestamp) -> Result<(), PortError> {
        let failed = |source: BoxError| PortError::new(format!("CreateSchedule {}", Self::name(watch)), source);
        let rounds = self.rounds.as_ref().ok_or_else(|| failed(NoRounds.into()))?;
        let window = FlexibleTimeWindow::builder().mode(FlexibleTimeWindowMode::Off).build().map_err(|error| failed(error.into()))?;
        // A round that is missed is made up for by the next one.
        let retries = RetryPolicy::builder().maximum_event_age_in_seconds(60).maximum_retry_attempts(2).build();
        let input = serde_json::to_string(watch).map_err(|error| failed(error.into()))?;
        let target = Target::builder().arn(&rounds.function_arn).role_arn(&rounds.role_arn).input(input).retry_policy(retries).build();
        let created = self
            .client
            .create_schedule()
            .group_name(&self.group)
            .name(Self::name(watch))
            .schedule_expression(format!("rate({} minute{})", rounds.minutes, if rounds.minutes == 1 { "" } else { "s" }))
            .end_date(DateTime::from_secs(until.as_second()))
            .action_after_completion(ActionAfterCompletion::Delete)
            .flexible_time_window(window)
            .target(target.map_err(|error| failed(error.into()))?)
            .send()
            .await;
        match created {
            Ok(_) => Ok(()),
            Err(error) if error.as_service_error().is_some_and(CreateScheduleError::is_conflict_exception) => Ok(()),
            Err(error) => Err(failed(error.into())),
        }
    }

    async fn end(&self, watch: &Watch) -> Result<(), PortError> {
        match self.client.delete_schedule().group_name(&self.group).name(Self::name(watch)).send().await {
            Ok(_) => Ok(()),
            Err(error) if error.as_service_error().is_some_and(DeleteScheduleError::is_resource_not_found_exception) => Ok(()),
            Err(error) => Err(PortError::new(format!("DeleteSchedule {}", Self::name(watch)), error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Aws;
    use crate::fake_server::FakeServer;

    fn watch() -> Watch {
        Watch { approval_id: "01jd4q8m".parse().unwrap(), generation: 2 }
    }

    fn rounds(minutes: u32) -> Rounds {
        Rounds { function_arn: "arn:of:watch".into(), role_arn: "arn:of:role".into(), minutes }
    }

    #[tokio::test]
    async fn a_watch_is_a_schedule_of_its_own_that_ends_by_itself() {
        let server = FakeServer::answering(vec![(200, r#"{"ScheduleArn":"arn"}"#.into()); 2]);
        for minutes in [1, 5] {
            let watches = Aws::at(&server.address).watches("group", Some(rounds(minutes)));
            watches.begin(&watch(), Timestamp::from_second(1_795_231_440).unwrap()).await.unwrap();
        }
        let created = server.requests();
        assert!(created[0].starts_with("POST /schedules/approval-01jd4q8m-2 "), "{}", created[0]);
        for part in [
            r#""GroupName":"group""#,
            r#""ScheduleExpression":"rate(1 minute)""#,
            r#""EndDate":1795231440"#,
            r#""ActionAfterCompletion":"DELETE""#,
            r#""Input":"{\"approvalId\":\"01jd4q8m\",\"generation\":2}""#,
        ] {
            assert!(created[0].contains(part), "{part}: {}", created[0]);
        }
        assert!(created[1].contains(r#""ScheduleExpression":"rate(5 minutes)""#), "{}", created[1]);
    }

    #[tokio::test]
    async fn beginning_or_ending_twice_is_no_error() {
        let error = |status, code: &str| (status, format!(r#"{{"__type":"{code}","Message":"it"}}"#));
        let server = FakeServer::answering(vec![
            error(409, "ConflictException"),
            error(404, "ResourceNotFoundException"),
            error(400, "ValidationException"),
        ]);
        let watches = Aws::at(&server.address).watches("group", Some(rounds(5)));
        watches.begin(&watch(), Timestamp::UNIX_EPOCH).await.unwrap();
        watches.end(&watch()).await.unwrap();
        assert_eq!(watches.end(&watch()).await.unwrap_err().to_string(), "DeleteSchedule approval-01jd4q8m-2 failed");
        assert!(server.requests()[1].starts_with("DELETE /schedules/approval-01jd4q8m-2?groupName=group"), "{}", server.requests()[1]);
    }
}
