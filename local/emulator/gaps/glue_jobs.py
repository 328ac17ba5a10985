"""Glue job runs are run by Spark, and a job keeps to its MaxConcurrentRuns.

AWS ("Job runs API"): StartJobRun answers ConcurrentRunsExceededException when MaxConcurrentRuns (1 unless set) runs of
the job are going; a JobRun has StartedOn, CompletedOn, ExecutionTime and ErrorMessage, and says on how many workers of
which type it ran, and how many DPUs these are (MaxCapacity); BatchStopJobRun stops a run.

MiniStack 1.5.33 runs a Spark job in a container, or calls it SUCCEEDED without running anything, and lets any number of
runs go at once. A stopped run goes on and ends as SUCCEEDED.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from ministack.core.responses import error_response_json, json_response
from ministack.services import glue

from emulator import settings
from emulator.replacing import replaces
from emulator.spark_runner import Job, JobOutcome, SparkRunner, Unreachable

logger = logging.getLogger("emulator.glue")
_GOING = ("STARTING", "RUNNING", "STOPPING", "WAITING")
_DEFAULT_TIMEOUT_MINUTES = 2_880
# "Jobs API", WorkerType.
_DPUS = {"G.025X": 0.25, "G.1X": 1, "G.2X": 2, "G.4X": 4, "G.8X": 8, "G.12X": 12, "G.16X": 16}
_requests: dict[str, SparkRunner] = {}


@replaces("ministack.services.glue:_start_job_run", "41059030ccc15457")
def start_job_run(_stock: Callable[[dict[str, Any]], Any], request: dict[str, Any]) -> Any:
    """StartJobRun."""
    name = request.get("JobName", "")
    job = glue._jobs.get(name)
    if job is None:
        return error_response_json("EntityNotFoundException", f"Failed to start job run due to missing metadata: {name}", 400)
    runs = glue._job_runs.setdefault(name, [])
    allowed = int((job.get("ExecutionProperty") or {}).get("MaxConcurrentRuns") or 1)
    if sum(run["JobRunState"] in _GOING for run in runs) >= allowed:
        return error_response_json("ConcurrentRunsExceededException", f"Concurrent runs exceeded for {name}", 400)
    run = _new_run(name, job, request)
    runs.insert(0, run)
    threading.Thread(target=_carry_out, args=(job, run), daemon=True, name=f"glue-{name}").start()
    return json_response({"JobRunId": run["Id"]})


@replaces("ministack.services.glue:_batch_stop_job_run", "330013f2a1a5e6b2")
def batch_stop_job_run(stock: Callable[[dict[str, Any]], Any], request: dict[str, Any]) -> Any:
    """BatchStopJobRun: besides marking the run, have its script stopped."""
    response = stock(request)
    for run_id in request.get("JobRunIds", []):
        runner = _requests.get(run_id)
        if runner:
            # The runner may take its time, and this is the thread that answers all requests.
            threading.Thread(target=runner.stop, args=(run_id,), daemon=True).start()
    return response


def _new_run(name: str, job: Mapping[str, Any], request: Mapping[str, Any]) -> dict[str, Any]:
    started = time.time()
    worker_type = request.get("WorkerType") or job.get("WorkerType") or "G.1X"
    workers = int(request.get("NumberOfWorkers") or job.get("NumberOfWorkers") or 2)
    return {
        "Id": f"jr_{secrets.token_hex(32)}",
        "Attempt": 0,
        "JobName": name,
        "StartedOn": started,
        "LastModifiedOn": started,
        "JobRunState": "STARTING",
        "Arguments": request.get("Arguments", {}),
        "PredecessorRuns": [],
        "ExecutionTime": 0,
        "Timeout": int(request.get("Timeout") or job.get("Timeout") or _DEFAULT_TIMEOUT_MINUTES),
        "WorkerType": worker_type,
        "NumberOfWorkers": workers,
        **({"MaxCapacity": float(workers * _DPUS[worker_type])} if worker_type in _DPUS else {}),
        "LogGroupName": "/aws-glue/jobs",
        "GlueVersion": job.get("GlueVersion", "5.1"),
    }


def _carry_out(job: Mapping[str, Any], run: dict[str, Any]) -> None:
    runner = _requests[run["Id"]] = SparkRunner(settings.current().spark_runner)
    run["JobRunState"] = "RUNNING"
    try:
        outcome = runner.run(
            Job(
                name=run["JobName"],
                run_id=run["Id"],
                script=job["Command"]["ScriptLocation"],
                arguments={**(job.get("DefaultArguments") or {}), **run["Arguments"]},
                timeout_seconds=run["Timeout"] * 60,
            )
        )
    except Unreachable as problem:
        outcome = JobOutcome("FAILED", str(problem))
    finally:
        del _requests[run["Id"]]
    run["CompletedOn"] = run["LastModifiedOn"] = time.time()
    run["ExecutionTime"] = int(run["CompletedOn"] - run["StartedOn"])
    if run["JobRunState"] != "RUNNING":
        return
    if outcome.error_message:
        run["ErrorMessage"] = outcome.error_message
    run["JobRunState"] = outcome.state
    if outcome.state != "SUCCEEDED":
        reason = (outcome.error_message or "").partition("\n")[0]
        logger.warning("Glue job %s (%s) ended as %s: %s", run["JobName"], run["Id"], outcome.state, reason)
