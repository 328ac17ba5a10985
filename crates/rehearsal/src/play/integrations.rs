//! What Step Functions calls for a task, and how each service answers.

use nightly_asl::{Failure, Instant, Pattern, Status, Stimulus, Task, TaskId};
use nightly_domain::approval::ApprovalStatus;
use serde_json::{Value, json};

use super::{BACKFILLED_BY, Destiny, Doing, Due, JobRun, Look, Play, QUESTION, QUESTION_ARN, QualityRun, RUN_DATE, Why};
use crate::deployment::{JOB_CONCURRENCY, NIGHTS, QUESTION_MACHINE};
use crate::faults::Fault;
use crate::functions::{Event, Function};
use crate::invariants;
use crate::items::{self, Refused};
use crate::jobs::{self, Arguments};
use crate::story::{Quality, WithOthers};
use crate::world::{Claimed, Fate, Held, Message, Publishing};

/// An error that no definition names.
pub(crate) const UNDECLARED: &str = "Rehearsal.Undeclared";

impl Play<'_> {
    pub(super) fn call(&mut self, run: usize, task: &Task) {
        let resource = task.resource.clone();
        let is_job = resource.pattern == Pattern::Sync;
        let is_glue_job = is_job && resource.service == "glue";
        let warehouse = self.warehouse;
        let fault = self.fault(&task.state, "", || {
            let mut possible = vec![Fault::Error(UNDECLARED.to_owned()), Fault::ErrorAfter(UNDECLARED.to_owned())];
            for error in warehouse.declared(&task.state) {
                possible.extend([Fault::Error(error.clone()), Fault::ErrorAfter(error.clone())]);
            }
            possible.push(Fault::Slow);
            if is_job {
                possible.push(Fault::JobFails);
            } else {
                possible.push(Fault::Hangs);
            }
            if is_glue_job {
                possible.extend([Fault::JobTimesOut, Fault::EndsAtTheTimeout]);
            }
            possible
        });
        self.runs[run].doing.insert(task.id, Doing::Other);
        if let Some(token) = &task.token {
            self.runs[run].tokens.push((token.clone(), task.id));
        }
        match fault {
            Some(Fault::Error(error)) => self.fails(run, task.id, &error),
            Some(Fault::Hangs) => {}
            Some(Fault::ErrorAfter(error)) => {
                self.serve(run, task, None, true);
                self.fails(run, task.id, &error);
            }
            fault => self.serve(run, task, fault.as_ref(), false),
        }
    }

    fn fails(&mut self, run: usize, task: TaskId, error: &str) {
        let failure = Failure::new(error, format!("{error} (a fault of this rehearsal)"));
        self.answers(run, Stimulus::Failed { task, failure });
    }

    /// The call's answer reaches Step Functions a little later.
    fn answers(&mut self, run: usize, stimulus: Stimulus) {
        let mut chance = self.chance.of(("integration", run as u64, self.now().0.unsigned_abs()));
        let after = self.grains(&mut chance, 40, 250);
        self.queue.after_millis(after, Due::Tell(run, stimulus));
    }

    /// The service does what it is asked. Where the answer is `lost`, nobody hears of it.
    fn serve(&mut self, run: usize, task: &Task, fault: Option<&Fault>, lost: bool) {
        let parameters = task.parameters.value();
        let outcome = match (task.resource.service.as_str(), task.resource.action.as_str()) {
            ("lambda", "invoke" | "invoke.waitForTaskToken") => return self.invoke_task(run, task, fault, lost),
            ("glue", "startJobRun.sync") => return self.start_job(run, task, fault, lost),
            ("athena", "startQueryExecution.sync") => return self.start_query(run, task, fault, lost),
            ("aws-sdk:glue", "getTable") => Ok(json!({"Table": {
                "Name": parameters["Name"],
                "StorageDescriptor": {"Columns": [{"Name": "order_id", "Type": "string"}], "Location": "s3://nightly-work/staged/"},
            }})),
            ("aws-sdk:glue", "createPartition") => self.create_partition(parameters),
            ("aws-sdk:glue", "startDataQualityRulesetEvaluationRun") => Ok(self.start_quality_run(run, parameters)),
            ("aws-sdk:glue", "getDataQualityRulesetEvaluationRun") => Ok(self.read_quality_run(parameters)),
            ("aws-sdk:glue", "getDataQualityResult") => Ok(self.read_quality_result(parameters)),
            ("dynamodb", "updateItem") if parameters["TableName"] == NIGHTS => self.update_night(run, parameters),
            ("dynamodb", "getItem") if parameters["TableName"] == NIGHTS => Ok(self.read_night(parameters)),
            ("dynamodb", "updateItem") => self.update_item(parameters),
            ("dynamodb", "getItem") => Ok(self.read_item(parameters)),
            ("aws-sdk:sfn", "describeExecution") => self.describe_execution(run, parameters),
            ("athena", "getQueryResults") => Ok(self.read_query(parameters)),
            ("sqs", "sendMessage") => Ok(self.send_message(parameters)),
            (service, action) => Err(Failure::new("Rehearsal.UnknownCall", format!("nobody serves {service}:{action}"))),
        };
        if lost {
            return;
        }
        let stimulus = match outcome {
            Ok(output) => Stimulus::Succeeded { task: task.id, output: output.into() },
            Err(failure) => Stimulus::Failed { task: task.id, failure },
        };
        if fault == Some(&Fault::Slow) {
            self.queue.after_millis(20_000, Due::Tell(run, stimulus));
        } else {
            self.answers(run, stimulus);
        }
    }

    fn invoke_task(&mut self, run: usize, task: &Task, fault: Option<&Fault>, lost: bool) {
        let parameters = task.parameters.value();
        let Some(function) = parameters["FunctionName"].as_str().and_then(Function::of_arn) else {
            let failure = Failure::new("Lambda.ResourceNotFoundException", format!("Function not found: {}", parameters["FunctionName"]));
            return self.answers(run, Stimulus::Failed { task: task.id, failure });
        };
        let why = if lost { Why::Nobody } else { Why::Task(run, task.id, task.token.is_some()) };
        let mut chance = self.chance.of(("invoke", run as u64, task.id.0));
        let cold = if fault == Some(&Fault::Slow) { 8_000 } else { self.grains(&mut chance, 10, 150) };
        self.queue.after_millis(cold, Due::Invoke(function, Box::new(Event::Payload(parameters["Payload"].clone())), why));
    }

    // Glue.

    fn start_job(&mut self, run: usize, task: &Task, fault: Option<&Fault>, lost: bool) {
        let parameters = task.parameters.value();
        let job = parameters["JobName"].as_str().unwrap_or_default().to_owned();
        let running = self.jobs.iter().filter(|other| other.job == job && other.over.is_none()).count();
        if running >= JOB_CONCURRENCY {
            let failure = Failure::new("Glue.ConcurrentRunsExceededException", format!("Concurrent runs exceeded for {job}"));
            if !lost {
                self.answers(run, Stimulus::Failed { task: task.id, failure });
            }
            return;
        }
        let number = self.jobs.len();
        let id = format!("jr_{number:016x}{:016x}", self.chance.of(("job", number as u64)).bits());
        let mut chance = self.chance.of(("duration", run as u64, task.id.0)).of(&*task.state);
        let seconds = match job.as_str() {
            "nightly-join-fact-dim" => (150, 400),
            "nightly-apply-fx" => (90, 240),
            "nightly-publish-to-warehouse" => (60, 200),
            _ => (60, 300),
        };
        let mut takes = self.grains(&mut chance, seconds.0 * 1000, seconds.1 * 1000);
        match fault {
            Some(Fault::Slow) => takes *= 4,
            Some(Fault::JobTimesOut) => takes = 1_800_000,
            Some(Fault::EndsAtTheTimeout) => {
                takes = self.warehouse.timeout_millis(&task.state).unwrap_or(3_600_000) - JOB_IS_SEEN_AFTER_MILLIS;
            }
            _ => {}
        }
        self.jobs.push(JobRun {
            id: id.clone(),
            run,
            task: task.id,
            known: !lost,
            arguments: parameters["Arguments"].clone(),
            began: self.now(),
            over: None,
            stopping: false,
            destiny: match fault {
                Some(Fault::JobFails) => Destiny::Fails,
                Some(Fault::JobTimesOut) => Destiny::IsCutOff,
                _ => Destiny::Succeeds,
            },
            publishing: None,
            job,
        });
        self.tell("Glue", format!("runs {} as {id}", self.jobs[number].job));
        if self.jobs[number].job == "nightly-publish-to-warehouse" {
            self.queue.after_millis(takes / 3, Due::Writes(number));
        }
        self.queue.after_millis(takes, Due::JobEnds(number));
        if !lost {
            self.runs[run].doing.insert(task.id, Doing::Job(number));
            self.queue.after_millis(
                100.min(takes),
                Due::Tell(run, Stimulus::Submitted { task: task.id, output: json!({"JobRunId": id}).into() }),
            );
        }
    }

    /// `publish-to-warehouse` has looked at what is staged, and begins to write it, or refuses.
    pub(super) fn begin_publishing(&mut self, number: usize) {
        let run = &self.jobs[number];
        if run.over.is_some() || run.stopping {
            return;
        }
        let arguments = run.arguments.clone();
        let arguments = Arguments(&arguments);
        let Ok(staged) = arguments.uri("--staged_uri") else { return };
        let digest = jobs::digest(&self.world.objects, &staged);
        if self.warehouse.checks_digest() && digest != arguments.text("--approved_digest") {
            self.tell("Glue", "StagedBuildChanged: what is staged is not what was approved".to_owned());
            return self.job_is_over(number, "FAILED");
        }
        if self.warehouse.checks_claim() && !self.still_owns(&arguments) {
            self.tell("Glue", "NightTakenOver: another execution has claimed the night".to_owned());
            return self.job_is_over(number, "FAILED");
        }
        invariants::publishing(self, self.jobs[number].run);
        let publishing = Publishing {
            run_date: arguments.text("--run_date").to_owned(),
            run_id: arguments.text("--run_id").to_owned(),
            digest,
            began: self.now(),
            ended: None,
        };
        self.world.publishings.push(publishing);
        self.jobs[number].publishing = Some(self.world.publishings.len() - 1);
    }

    pub(super) fn job_ends(&mut self, number: usize) {
        let run = &self.jobs[number];
        if run.over.is_some() || run.stopping {
            return;
        }
        let (job, id, arguments) = (run.job.clone(), run.id.clone(), run.arguments.clone());
        match run.destiny {
            Destiny::IsCutOff => return self.job_is_over(number, "TIMEOUT"),
            Destiny::Fails => return self.job_is_over(number, "FAILED"),
            Destiny::Succeeds => {}
        }
        let arguments = Arguments(&arguments);
        if job == "nightly-publish-to-warehouse" {
            let Some(publishing) = run.publishing else { return self.job_is_over(number, "FAILED") };
            let Publishing { run_date, run_id, digest, .. } = self.world.publishings[publishing].clone();
            let rows = arguments.uri("--staged_uri").map_or(0, |staged| jobs::staged_rows(&self.world.objects, &staged));
            self.world.warehouse.insert(run_date, Held { run_id, rows, digest });
            return self.job_is_over(number, "SUCCEEDED");
        }
        match jobs::effect(&job, &id, &arguments, &self.story.day, &mut self.world.objects) {
            Ok(()) => self.job_is_over(number, "SUCCEEDED"),
            Err(problem) => {
                self.tell("Glue", format!("{job} fails: {problem}"));
                self.job_is_over(number, "FAILED");
            }
        }
    }

    pub(super) fn job_is_over(&mut self, number: usize, state: &str) {
        let now = self.now();
        let run = &mut self.jobs[number];
        if run.over.is_some() {
            return;
        }
        run.over = Some(now);
        if let Some(publishing) = run.publishing {
            self.world.publishings[publishing].ended = Some(now);
        }
        let (execution, task, known) = (run.run, run.task, run.known);
        let description = json!({
            "Id": run.id, "JobName": run.job, "JobRunState": state, "Arguments": run.arguments, "Attempt": 0,
            "ExecutionTime": (now.0 - run.began.0) / 1000, "GlueVersion": "5.1", "MaxCapacity": 2.0, "NumberOfWorkers": 2, "WorkerType": "G.1X",
        });
        self.bill(number);
        if known {
            let stimulus = if state == "SUCCEEDED" {
                Stimulus::Succeeded { task, output: description.into() }
            } else {
                Stimulus::Failed { task, failure: Failure::new("States.TaskFailed", description.to_string()) }
            };
            self.queue.after_millis(JOB_IS_SEEN_AFTER_MILLIS, Due::Tell(execution, stimulus));
        }
    }

    /// Nobody waits for this task any more: a job is stopped, where the role may.
    pub(super) fn cancel(&mut self, run: usize, task: TaskId) {
        let Some(Doing::Job(number)) = self.runs[run].doing.get(&task).copied() else { return };
        if self.jobs[number].over.is_some() || !self.warehouse.stops_jobs() {
            return;
        }
        self.jobs[number].stopping = true;
        let mut chance = self.chance.of(("stop", number as u64));
        let after = self.grains(&mut chance, 1_000, 20_000);
        self.queue.after_millis(after, Due::JobIsStopped(number));
    }

    fn create_partition(&mut self, parameters: &Value) -> Result<Value, Failure> {
        let name = format!("{}/{}", parameters["TableName"].as_str().unwrap_or_default(), parameters["PartitionInput"]["Values"]);
        if self.world.partitions.insert(name.clone()) {
            Ok(json!({}))
        } else {
            Err(Failure::new("Glue.AlreadyExistsException", format!("Partition already exists: {name}")))
        }
    }

    fn start_quality_run(&mut self, run: usize, parameters: &Value) -> Value {
        let token = parameters["ClientToken"].as_str().unwrap_or_default().to_owned();
        let known = self.quality_runs.iter().position(|known| known.token == token && !token.is_empty());
        let number = known.unwrap_or_else(|| {
            let number = self.quality_runs.len();
            let takes_millis = self.chance.of(("quality", number as u64)).between(20_000, 120_000);
            self.quality_runs.push(QualityRun { run, token, began: self.now(), takes_millis, read: None });
            number
        });
        json!({"RunId": format!("dqrun-{number}")})
    }

    fn quality_run(&self, parameters: &Value, name: &str, prefix: &str) -> Option<usize> {
        let number = parameters[name].as_str()?.strip_prefix(prefix)?.parse().ok()?;
        (number < self.quality_runs.len()).then_some(number)
    }

    fn read_quality_run(&self, parameters: &Value) -> Value {
        let Some(number) = self.quality_run(parameters, "RunId", "dqrun-") else { return json!({"Status": "FAILED"}) };
        let run = &self.quality_runs[number];
        let since = self.now().0 - run.began.0;
        let mut answer = json!({"RunId": parameters["RunId"], "NumberOfWorkers": 2});
        if since < run.takes_millis {
            answer["Status"] = if since < 5_000 { "STARTING" } else { "RUNNING" }.into();
            return answer;
        }
        answer["ExecutionTime"] = (run.takes_millis / 1000).into();
        if let Quality::RunEnds(status) = self.story.quality {
            answer["Status"] = status.into();
            answer["ErrorString"] = "a failure of this rehearsal".into();
        } else {
            answer["Status"] = "SUCCEEDED".into();
            answer["ResultIds"] = json!([format!("dqresult-{number}")]);
        }
        answer
    }

    fn read_quality_result(&mut self, parameters: &Value) -> Value {
        if let Some(number) = self.quality_run(parameters, "ResultId", "dqresult-") {
            let now = self.now();
            self.quality_runs[number].read.get_or_insert(now);
        }
        let rules = ["RowCount > 0", "IsComplete \"order_id\"", "ColumnValues \"quantity\" > 0", "IsUnique \"line\""];
        let result = |place: usize| match self.story.quality {
            Quality::OneRule(result) if place == 1 => result,
            _ => "PASS",
        };
        let results: Vec<_> = rules
            .iter()
            .enumerate()
            .map(|(place, rule)| json!({"Name": format!("Rule_{}", place + 1), "Description": rule, "Result": result(place)}))
            .collect();
        let score = if matches!(self.story.quality, Quality::OneRule(_)) { 0.75 } else { 1.0 };
        json!({"Score": score, "RuleResults": results})
    }

    // DynamoDB: the record that the functions work on.

    /// What the definition writes when its clock has run out, under the condition that it names, or under none.
    fn update_item(&mut self, parameters: &Value) -> Result<Value, Failure> {
        let Some(id) = parameters["Key"]["approval_id"]["S"].as_str().and_then(|id| id.parse().ok()) else {
            return Err(Failure::new("DynamoDB.ValidationException", "no key"));
        };
        let now = self.now();
        let at = crate::world::timestamp(now);
        let value = |name: &str| parameters["ExpressionAttributeValues"][name]["S"].as_str().unwrap_or_default();
        let refused = || Failure::new("DynamoDB.ConditionalCheckFailedException", "The conditional request failed");
        let Some(stored) = self.world.approvals.stored(&id) else {
            // Without a condition, DynamoDB makes an item of what is written.
            return if parameters["ConditionExpression"].is_string() { Err(refused()) } else { Ok(json!({})) };
        };
        if parameters["ConditionExpression"] == "#status = :pending" && stored.status.name() != value(":pending") {
            return Err(refused());
        }
        if value(":expired") != "EXPIRED" {
            return Err(Failure::new(
                "DynamoDB.ValidationException",
                format!("this rehearsal can't write {}", parameters["UpdateExpression"]),
            ));
        }
        let next = nightly_domain::approval::Approval { status: ApprovalStatus::Expired { at }, ..stored.clone() };
        self.world.replace(Some(&stored), &next, now);
        invariants::record_changed(self, Some(&stored), &next);
        self.tell("definition", "writes that the question has expired".to_owned());
        Ok(json!({}))
    }

    fn read_item(&self, parameters: &Value) -> Value {
        let id = parameters["Key"]["approval_id"]["S"].as_str().and_then(|id| id.parse().ok());
        let Some(stored) = id.and_then(|id| self.world.approvals.stored(&id)) else { return json!({}) };
        let mut item = json!({"approval_id": {"S": stored.id.as_str()}, "status": {"S": stored.status.name()}});
        if let ApprovalStatus::Decided { verdict, .. } = &stored.status {
            item["verdict"] = json!({"S": serde_json::to_string(verdict).expect("a verdict is JSON")});
        }
        json!({"Item": item})
    }

    // DynamoDB: the table of the nights, under the definition's own expressions.

    fn update_night(&mut self, run: usize, parameters: &Value) -> Result<Value, Failure> {
        let date = parameters["Key"]["run_date"]["S"].as_str().unwrap_or_default().to_owned();
        let before = self.world.nights.get(&date);
        let after = items::update(before, parameters).map_err(|refused| match refused {
            Refused::Condition => Failure::new("DynamoDB.ConditionalCheckFailedException", "The conditional request failed"),
            Refused::Malformed(what) => Failure::new("DynamoDB.AmazonDynamoDBException", format!("ValidationException: {what}")),
        })?;
        let owner = self.owner();
        let published = before.is_some_and(|row| row["status"]["S"] == "PUBLISHED");
        let answer = if parameters["ReturnValues"] == "ALL_NEW" { json!({"Attributes": after}) } else { json!({}) };
        self.world.nights.insert(date, after);
        if self.owner() != owner {
            invariants::claimed(self, run, owner, published);
            self.world.claims.push(Claimed { at: self.now(), run });
            self.tell("definition", format!("execution {run} claims the night"));
        }
        Ok(answer)
    }

    fn read_night(&self, parameters: &Value) -> Value {
        items::found(parameters["Key"]["run_date"]["S"].as_str().and_then(|date| self.world.nights.get(date)))
    }

    /// What the job `publish-to-warehouse` asks of the row right before it writes.
    fn still_owns(&self, arguments: &Arguments<'_>) -> bool {
        self.world
            .nights
            .get(arguments.text("--run_date"))
            .is_some_and(|row| row["owner"]["S"] == arguments.text("--owner") && row["claim"]["N"] == arguments.text("--claim"))
    }

    // Step Functions.

    /// The question that was put about many dates.
    fn question(&self) -> Option<Value> {
        let with_others = self.story.with_others.filter(|with_others| *with_others != WithOthers::Unknown)?;
        let date = if with_others == WithOthers::OtherDates { "2026-11-19" } else { RUN_DATE };
        let decision = if with_others == WithOthers::Rejected { "REJECTED" } else { "APPROVED" };
        Some(json!({
            "ExecutionArn": QUESTION_ARN, "StateMachineArn": QUESTION_MACHINE, "Name": QUESTION, "Status": "SUCCEEDED",
            "Input": json!({"question": "Build these days?", "runDates": ["2026-11-18", date], "startedBy": BACKFILLED_BY}).to_string(),
            "Output": json!({"decision": decision, "by": "A. Berg", "at": "2026-11-21T00:30:00Z", "evidenceDigest": "9f2c0e"}).to_string(),
        }))
    }

    fn describe_execution(&mut self, run: usize, parameters: &Value) -> Result<Value, Failure> {
        let arn = parameters["ExecutionArn"].as_str().unwrap_or_default();
        if arn == QUESTION_ARN
            && let Some(question) = self.question()
        {
            return Ok(question);
        }
        let Some(asked) = self.run_of(arn) else {
            return Err(Failure::new("Sfn.ExecutionDoesNotExistException", format!("Execution Does Not Exist: '{arn}'")));
        };
        let status = self.runs[asked].execution.status();
        let mut description = json!({"ExecutionArn": arn, "Name": self.runs[asked].id, "Status": match status {
            Status::Running => "RUNNING",
            Status::Succeeded(_) => "SUCCEEDED",
            Status::Failed(_) => "FAILED",
            Status::TimedOut(_) => "TIMED_OUT",
            Status::Aborted(_) => "ABORTED",
        }});
        if let Status::Succeeded(output) = status {
            description["Output"] = output.text().into();
        }
        let ran = *status == Status::Running;
        self.runs[run].looked = Some(Look { at: asked, ran });
        Ok(description)
    }

    // Athena.

    fn start_query(&mut self, run: usize, task: &Task, fault: Option<&Fault>, lost: bool) {
        let query = task.parameters.value()["QueryString"].as_str().unwrap_or_default();
        let date = query.split('\'').nth(1).unwrap_or(RUN_DATE);
        let rows = self.world.warehouse.get(date).map_or(0, |held| held.rows);
        let id = format!("query-{}", self.queries.len());
        self.queries.push((id.clone(), rows));
        if lost {
            return;
        }
        let mut chance = self.chance.of(("query", run as u64, task.id.0));
        let takes = if fault == Some(&Fault::Slow) { 120_000 } else { self.grains(&mut chance, 1_500, 8_000) };
        self.queue.after_millis(100, Due::Tell(run, Stimulus::Submitted { task: task.id, output: json!({"QueryExecutionId": id}).into() }));
        let over = if fault == Some(&Fault::JobFails) {
            Stimulus::Failed { task: task.id, failure: Failure::new("States.TaskFailed", r#"{"Status":{"State":"FAILED"}}"#) }
        } else {
            let output = json!({"QueryExecution": {"QueryExecutionId": id, "Status": {"State": "SUCCEEDED"}}});
            Stimulus::Succeeded { task: task.id, output: output.into() }
        };
        self.queue.after_millis(takes, Due::Tell(run, over));
    }

    fn read_query(&self, parameters: &Value) -> Value {
        let rows = self.queries.iter().find(|(id, _)| parameters["QueryExecutionId"] == **id).map_or(0, |(_, rows)| *rows);
        json!({"ResultSet": {"Rows": [{"Data": [{"VarCharValue": "_col0"}]}, {"Data": [{"VarCharValue": rows.to_string()}]}]}})
    }

    // SQS.

    fn send_message(&mut self, parameters: &Value) -> Value {
        let body = parameters["MessageBody"].as_str().unwrap_or_default().to_owned();
        let delay = parameters["DelaySeconds"].as_i64().unwrap_or(0);
        let number = self.world.messages.len();
        self.world.messages.push(Message { body, received: 0, fate: Fate::Waiting });
        let twice = self.fault("notices", "deliver", || vec![Fault::Twice]) == Some(Fault::Twice);
        self.queue.after_millis(delay * 1000, Due::Receive(number));
        if twice {
            self.queue.after_millis(delay * 1000 + 500, Due::Receive(number));
        }
        json!({"MessageId": format!("message-{number}")})
    }

    /// When a job run ended, or now.
    pub(crate) fn over(&self, number: usize) -> Instant {
        self.jobs[number].over.unwrap_or(self.now())
    }
}

/// Step Functions sees that a job is over after this.
const JOB_IS_SEEN_AFTER_MILLIS: i64 = 1_000;
