"""What a Task calls: the optimized integrations, the SDK integrations, and jobs that are waited for.

MiniStack knows Lambda, DynamoDB, SQS, SNS, EventBridge and `aws-sdk:*`. Of the optimized integrations it lacks those of
Glue and Athena, which here go by the same services' SDK integrations, and waiting for a job (`.sync`) at all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ministack.services import lambda_svc, stepfunctions

from emulator.states.errors import StatesError

_PREFIX = "arn:aws:states:::"
_TOKEN = ".waitForTaskToken"
_SYNC = ".sync"
_SAME_AS_SDK = (
    "glue:startJobRun",
    "athena:startQueryExecution",
    "athena:stopQueryExecution",
    "athena:getQueryExecution",
    "athena:getQueryResults",
)


@dataclass(frozen=True)
class Resource:
    """A Task's `Resource`, taken apart as the history shows it."""

    arn: str

    @property
    def type(self) -> str:
        """Such as `glue` or `aws-sdk:glue`."""
        if not self.arn.startswith(_PREFIX):
            return "lambda"
        return self.arn.removeprefix(_PREFIX).rpartition(":")[0]

    @property
    def action(self) -> str:
        """Such as `startJobRun.sync`."""
        if not self.arn.startswith(_PREFIX):
            return self.arn
        return self.arn.removeprefix(_PREFIX).rpartition(":")[2]

    @property
    def waits_for_token(self) -> bool:
        """Whether somebody else ends the task, with its token."""
        return self.arn.endswith(_TOKEN)

    @property
    def job(self) -> Job | None:
        """The kind of job that the task waits for, if it does."""
        return _JOBS.get(self.arn.removeprefix(_PREFIX))

    def call(self, arguments: Any) -> Any:
        """One request and its response. Raises StatesError with the name that AWS gives the error."""
        try:
            return self._respond(arguments)
        except stepfunctions._ExecutionError as problem:
            raise StatesError(problem.error, problem.cause) from problem

    def _respond(self, arguments: Any) -> Any:
        plain = self.arn.removesuffix(_TOKEN)
        name = plain.removeprefix(_PREFIX)
        if name == "lambda:invoke":
            return _invoke_function(arguments)
        if name in _SAME_AS_SDK:
            return stepfunctions._invoke_aws_sdk_integration(f"{_PREFIX}aws-sdk:{name}", arguments)
        return stepfunctions._invoke_resource(plain, arguments)


def _invoke_function(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """`lambda:invoke`: errors carry the function's own error type, throttling and absence Lambda's names."""
    reference = stepfunctions._resolve_lambda_function_ref(arguments["FunctionName"], optimized=True)
    function, configuration, name = lambda_svc._get_func_record_for_ref(reference)
    if not function or not configuration:
        raise StatesError("Lambda.ResourceNotFoundException", f"Function not found: {name}")
    record = lambda_svc._execution_record_for_config(function, configuration)
    result = lambda_svc._execute_function_with_config_scope(record, arguments.get("Payload", {}))
    body = result.get("body")
    if result.get("throttle"):
        raise StatesError("Lambda.TooManyRequestsException", body["message"])
    if result.get("error"):
        known = body if isinstance(body, dict) else {"errorMessage": str(body)}
        raise StatesError(known.get("errorType", "Lambda.Unknown"), json.dumps(known, ensure_ascii=False))
    return {"ExecutedVersion": configuration.get("Version", "$LATEST"), "Payload": _payload(body), "StatusCode": 200}


def _payload(body: Any) -> Any:
    if isinstance(body, (str, bytes)):
        try:
            return json.loads(body)
        except ValueError:
            return body.decode() if isinstance(body, bytes) else body
    return body


@dataclass(frozen=True)
class Job:
    """A job that a `.sync` Task starts, watches and, when the task is stopped, stops ("Run a Job")."""

    service: str
    start: str
    identify: Callable[[Mapping[str, Any], Mapping[str, Any]], dict[str, Any]]
    read: str
    state_of: Callable[[Mapping[str, Any]], str]
    output_of: Callable[[Mapping[str, Any]], Any]
    stop: str
    stop_arguments: Callable[[Mapping[str, Any]], dict[str, Any]]
    going: frozenset[str]

    def begin(self, arguments: Mapping[str, Any]) -> tuple[Any, RunningJob]:
        """Start the job; gives the service's answer and the job."""
        answer = self._request(self.start, arguments)
        return answer, RunningJob(self, self.identify(arguments, answer))

    def _request(self, action: str, arguments: Mapping[str, Any]) -> Any:
        return Resource(f"{_PREFIX}aws-sdk:{self.service}:{action}").call(arguments)


@dataclass(frozen=True)
class RunningJob:
    """A job that was started."""

    kind: Job
    identity: dict[str, Any]

    def result(self) -> tuple[bool, Any]:
        """Whether it has ended, and its output. A job that did not succeed is a States.TaskFailed whose cause is the job."""
        answer = self.kind._request(self.kind.read, self.identity)
        state = self.kind.state_of(answer)
        if state in self.kind.going:
            return False, None
        output = self.kind.output_of(answer)
        if state != "SUCCEEDED":
            raise StatesError("States.TaskFailed", json.dumps(output, separators=(",", ":"), ensure_ascii=False))
        return True, output

    def stop(self) -> None:
        """Ask the service to stop it; that is best effort on AWS too."""
        try:
            self.kind._request(self.kind.stop, self.kind.stop_arguments(self.identity))
        except StatesError:
            return


def _job_run(answer: Mapping[str, Any]) -> dict[str, Any]:
    """A JobRun with its instants in milliseconds, as Step Functions gives it."""
    return {
        key: int(datetime.fromisoformat(value).timestamp() * 1000)
        if key in ("StartedOn", "LastModifiedOn", "CompletedOn") and isinstance(value, str)
        else value
        for key, value in answer["JobRun"].items()
    }


_JOBS = {
    f"glue:startJobRun{_SYNC}": Job(
        service="glue",
        start="startJobRun",
        identify=lambda arguments, answer: {"JobName": arguments["JobName"], "RunId": answer["JobRunId"]},
        read="getJobRun",
        state_of=lambda answer: answer["JobRun"]["JobRunState"],
        output_of=_job_run,
        stop="batchStopJobRun",
        stop_arguments=lambda identity: {"JobName": identity["JobName"], "JobRunIds": [identity["RunId"]]},
        going=frozenset({"STARTING", "RUNNING", "STOPPING", "WAITING"}),
    ),
    f"athena:startQueryExecution{_SYNC}": Job(
        service="athena",
        start="startQueryExecution",
        identify=lambda _arguments, answer: {"QueryExecutionId": answer["QueryExecutionId"]},
        read="getQueryExecution",
        state_of=lambda answer: answer["QueryExecution"]["Status"]["State"],
        output_of=lambda answer: answer,
        stop="stopQueryExecution",
        stop_arguments=lambda identity: identity,
        going=frozenset({"QUEUED", "RUNNING"}),
    ),
}
