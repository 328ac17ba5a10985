"""Glue jobs, run by the Spark runner."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from emulator.tests.conftest import Emulator, FakeSparkRunner, Night, wait_until


@pytest.fixture
def glue(emulator: Emulator) -> Any:
    """Glue's client."""
    return emulator.client("glue")


@pytest.fixture
def job(glue: Any, name: str) -> str:
    """A job with a default argument."""
    command = {"Name": "glueetl", "ScriptLocation": f"s3://scripts/{name}.py"}
    glue.create_job(
        Name=name, Role="r", Command=command, DefaultArguments={"--base": "EUR", "--mode": "slow"}, Timeout=3, GlueVersion="5.1"
    )
    return name


def run_of(glue: Any, job: str, run_id: str) -> dict[str, Any] | None:
    """The run, once it has ended."""
    run = glue.get_job_run(JobName=job, RunId=run_id)["JobRun"]
    return run if run["JobRunState"] not in ("STARTING", "RUNNING") else None


def test_a_run_hands_the_runner_its_script_and_arguments(glue: Any, job: str, runner: FakeSparkRunner) -> None:
    runner.jobs[job] = lambda _request: {"state": "SUCCEEDED", "startedOn": 0, "completedOn": 1}
    run_id = glue.start_job_run(JobName=job, Arguments={"--mode": "fast", "--run_date": "2026-11-20"})["JobRunId"]
    run = wait_until(lambda: run_of(glue, job, run_id))
    assert run["JobRunState"] == "SUCCEEDED"
    assert run["CompletedOn"] >= run["StartedOn"] and run["ExecutionTime"] == 0
    request = next(body for path, body in runner.requests if path == "/jobs" and body["jobRunId"] == run_id)
    assert request == {
        "jobName": job,
        "jobRunId": run_id,
        "script": f"s3://scripts/{job}.py",
        "arguments": {"--base": "EUR", "--mode": "fast", "--run_date": "2026-11-20"},
        "timeoutSeconds": 180,
    }


@pytest.mark.parametrize("state", ["FAILED", "TIMEOUT"])
def test_a_failed_run_says_why(glue: Any, job: str, runner: FakeSparkRunner, state: str) -> None:
    runner.jobs[job] = lambda _request: {"state": state, "errorMessage": "NoOrdersPartition: nothing there"}
    run_id = glue.start_job_run(JobName=job)["JobRunId"]
    run = wait_until(lambda: run_of(glue, job, run_id))
    assert (run["JobRunState"], run["ErrorMessage"]) == (state, "NoOrdersPartition: nothing there")


def test_a_job_runs_once_at_a_time(glue: Any, job: str, runner: FakeSparkRunner) -> None:
    done = threading.Event()
    runner.jobs[job] = lambda _request: {"state": "SUCCEEDED"} if done.wait(10) else {"state": "FAILED"}
    first = glue.start_job_run(JobName=job)["JobRunId"]
    with pytest.raises(glue.exceptions.ConcurrentRunsExceededException):
        glue.start_job_run(JobName=job)
    done.set()
    wait_until(lambda: run_of(glue, job, first))
    second = glue.start_job_run(JobName=job)["JobRunId"]
    wait_until(lambda: run_of(glue, job, second))
    assert [run["Id"] for run in glue.get_job_runs(JobName=job)["JobRuns"]] == [second, first]


def test_a_stopped_run_stays_stopped_and_its_script_is_stopped(glue: Any, job: str, runner: FakeSparkRunner) -> None:
    asked = threading.Event()

    def slow(_request: dict[str, Any]) -> dict[str, Any]:
        asked.set()
        time.sleep(1)
        return {"state": "SUCCEEDED", "errorMessage": "x" * 10_000_000}

    runner.jobs[job] = slow
    runner.hung_up.clear()
    run_id = glue.start_job_run(JobName=job)["JobRunId"]
    assert asked.wait(10)
    glue.batch_stop_job_run(JobName=job, JobRunIds=[run_id])
    wait_until(lambda: run_id in runner.stopped)
    assert runner.hung_up.wait(10)
    assert run_of(glue, job, run_id)["JobRunState"] == "STOPPED"


def syncing(job: str, **fields: Any) -> dict[str, Any]:
    """A Task that waits for a run of the job."""
    arguments = {"JobName": job, "Arguments": {"--run_date": "{% $states.input.day %}"}}
    return {"Type": "Task", "Resource": "arn:aws:states:::glue:startJobRun.sync", "Arguments": arguments, "End": True, **fields}


def test_a_task_waits_for_the_run_and_gets_it(machine: Callable[..., Night], job: str, runner: FakeSparkRunner) -> None:
    runner.jobs[job] = lambda request: {"state": "SUCCEEDED"} if request["arguments"]["--run_date"] == "2026-11-20" else {"state": "FAILED"}
    night = machine({"Run": syncing(job)})
    execution = night.start({"day": "2026-11-20"})
    output = night.end_of(execution)["output"]
    assert (output["JobName"], output["JobRunState"]) == (job, "SUCCEEDED")
    assert output["Id"].startswith("jr_") and isinstance(output["StartedOn"], int)
    capacity = [output[name] for name in ("WorkerType", "NumberOfWorkers", "MaxCapacity", "GlueVersion", "ExecutionTime")]
    assert capacity == ["G.1X", 2, 2.0, "5.1", 0], "what a night's cost is reckoned from"
    kinds = ["TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskSucceeded"]
    tasks = [event for event in night.events(execution) if event["type"] in kinds]
    assert [event["type"] for event in tasks] == kinds
    assert tasks[0]["taskScheduledEventDetails"]["resourceType"] == "glue"
    assert tasks[0]["taskScheduledEventDetails"]["resource"] == "startJobRun.sync"


def test_a_failed_run_fails_the_task_with_the_run_as_its_cause(machine: Callable[..., Night], job: str, runner: FakeSparkRunner) -> None:
    runner.jobs[job] = lambda _request: {"state": "FAILED", "errorMessage": "MalformedRow: line 7"}
    ended = machine({"Run": syncing(job)}).run({"day": "2026-11-20"})
    assert ended["error"] == "States.TaskFailed"
    cause = json.loads(ended["cause"])
    assert (cause["JobName"], cause["JobRunState"], cause["ErrorMessage"]) == (job, "FAILED", "MalformedRow: line 7")


def test_a_flaky_run_is_tried_again(machine: Callable[..., Night], job: str, runner: FakeSparkRunner) -> None:
    answers = iter([{"state": "FAILED", "errorMessage": "lost an executor"}, {"state": "SUCCEEDED"}])
    runner.jobs[job] = lambda _request: next(answers)
    retry = [{"ErrorEquals": ["States.TaskFailed"], "IntervalSeconds": 1, "MaxAttempts": 1}]
    night = machine({"Run": syncing(job, Retry=retry)})
    execution = night.start({"day": "2026-11-20"})
    assert night.end_of(execution)["status"] == "SUCCEEDED"
    assert night.kinds(execution).count("TaskScheduled") == 2


def test_a_busy_job_refuses_by_name(machine: Callable[..., Night], glue: Any, job: str, runner: FakeSparkRunner) -> None:
    done = threading.Event()
    runner.jobs[job] = lambda _request: {"state": "SUCCEEDED"} if done.wait(10) else {"state": "FAILED"}
    glue.start_job_run(JobName=job)
    assert machine({"Run": syncing(job)}).run({"day": "2026-11-20"})["error"] == "Glue.ConcurrentRunsExceededException"
    done.set()


def test_a_task_that_times_out_stops_its_run(machine: Callable[..., Night], glue: Any, job: str, runner: FakeSparkRunner) -> None:
    runner.jobs[job] = lambda _request: time.sleep(4) or {"state": "SUCCEEDED"}
    ended = machine({"Run": syncing(job, TimeoutSeconds=1)}).run({"day": "2026-11-20"})
    assert ended["error"] == "States.Timeout"
    # The execution has ended when the service is asked to stop the run, as on AWS.
    assert wait_until(lambda: glue.get_job_runs(JobName=job)["JobRuns"][0]["JobRunState"] == "STOPPED", seconds=3)


def test_a_runner_that_is_away_fails_the_run(glue: Any, job: str) -> None:
    run_id = glue.start_job_run(JobName=job)["JobRunId"]
    run = wait_until(lambda: run_of(glue, job, run_id))
    assert run["JobRunState"] == "FAILED"
    assert "Spark runner" in run["ErrorMessage"]
