"""Runs Glue jobs, each in a process of its own, and remembers which are to fail."""

import multiprocessing
import threading
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import Enum
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple

from pyspark.sql import SparkSession

from spark_runner.child import Assignment, Gateway, run_job
from spark_runner.session import mount_buckets

# Forked from a process that has the imports done and no threads: a job starts in milliseconds and inherits no lock.
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["spark_runner.child", "awsglue.utils", "boto3", "pyspark.sql.functions"])


class JobState(Enum):
    """How a run ended, in Glue's words. A stopped run has FAILED: whoever stopped it knows."""

    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    TIMEOUT = "TIMEOUT"


class JobRequest(NamedTuple):
    """A run that is asked for."""

    job_name: str
    run_id: str
    script: str
    arguments: dict[str, str]
    timeout_seconds: float

    @classmethod
    def parse(cls, body: dict[str, Any]) -> "JobRequest":
        """Raises ValueError, naming what is missing or wrong."""
        try:
            arguments = {str(name): str(value) for name, value in dict(body.get("arguments") or {}).items()}
            timeout_seconds = float(body.get("timeoutSeconds") or 3600)
            return cls(str(body["jobName"]), str(body["jobRunId"]), str(body["script"]), arguments, timeout_seconds)
        except KeyError as missing:
            raise ValueError(f"the request has no {missing.args[0]}") from None


class JobResult(NamedTuple):
    """How a run ended."""

    state: JobState
    error_message: str
    started_on: datetime
    completed_on: datetime

    def as_json(self) -> dict[str, str]:
        answer = {
            "state": self.state.value,
            "startedOn": self.started_on.isoformat(),
            "completedOn": self.completed_on.isoformat(),
        }
        return answer | ({"errorMessage": self.error_message} if self.error_message else {})


class Jobs:
    """The runs of one warm Spark."""

    def __init__(self, session: SparkSession, buckets: Path, logs: Path) -> None:
        parameters = session.sparkContext._gateway.gateway_parameters
        self._gateway = Gateway(parameters.port, parameters.auth_token)
        self._session = session
        self._buckets = buckets
        self._logs = logs / "jobs"
        self._logs.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._running: dict[str, BaseProcess] = {}
        self._stopped: set[str] = set()
        self._fail_once: set[str] = set()

    def fail_once(self, job_names: Iterable[str]) -> None:
        """The next run of each of these jobs fails after it has done its work."""
        with self._lock:
            self._fail_once.update(job_names)

    def run(self, request: JobRequest) -> JobResult:
        """Blocks until the run has ended."""
        started_on = datetime.now(UTC)
        state, error_message = self._run(request)
        if state is JobState.SUCCEEDED and self._takes_fault(request.job_name):
            state, error_message = JobState.FAILED, "InjectedFault: the job did its work and was then made to fail"
        return JobResult(state, error_message, started_on, datetime.now(UTC))

    def stop(self, run_id: str) -> bool:
        """Ends a run; False where no such run is going on."""
        with self._lock:
            process = self._running.get(run_id)
            if process is None:
                return False
            self._stopped.add(run_id)
        self._end(run_id, process)
        return True

    def _run(self, request: JobRequest) -> tuple[JobState, str]:
        script = self._path_of(request.script)
        if not script.is_file():
            return JobState.FAILED, f"ScriptNotFound: {request.script} does not exist"
        mount_buckets(self._session, self._buckets)
        arguments = [part for argument in {"--JOB_NAME": request.job_name, **request.arguments}.items() for part in argument]
        log = self._logs / f"{request.job_name}-{request.run_id}.log"
        ours, theirs = _PROCESSES.Pipe(duplex=False)
        assignment = Assignment(request.run_id, script, arguments, log)
        process = _PROCESSES.Process(target=run_job, args=(assignment, self._gateway, theirs), daemon=True)
        with self._lock:
            if request.run_id in self._running:
                raise ValueError(f"the run {request.run_id} is already going on")
            self._running[request.run_id] = process
            process.start()
        theirs.close()
        try:
            return self._ended(request, process, ours)
        finally:
            with self._lock:
                del self._running[request.run_id]
                self._stopped.discard(request.run_id)

    def _ended(self, request: JobRequest, process: BaseProcess, answers: Connection) -> tuple[JobState, str]:
        answered = answers.poll(request.timeout_seconds)
        try:
            error = answers.recv() if answered else None
        except EOFError:
            error = None
        if not answered:
            self._end(request.run_id, process)
        process.join()
        if request.run_id in self._stopped:
            return JobState.FAILED, "The run was stopped"
        if not answered:
            return JobState.TIMEOUT, f"The run took longer than {request.timeout_seconds:g} seconds"
        if error is None:
            return JobState.FAILED, f"The job's process ended without an answer, with exit code {process.exitcode}"
        return (JobState.FAILED, error) if error else (JobState.SUCCEEDED, "")

    def _end(self, run_id: str, process: BaseProcess) -> None:
        process.kill()
        self._session.sparkContext.cancelJobGroup(run_id)

    def _takes_fault(self, job_name: str) -> bool:
        """A deployed job is named `<stack>-<job>`; a fault names the job."""
        with self._lock:
            taken = {fault for fault in self._fail_once if job_name == fault or job_name.endswith(f"-{fault}")}
            self._fail_once -= taken
        return bool(taken)

    def _path_of(self, script: str) -> Path:
        return self._buckets / script.removeprefix("s3://") if script.startswith("s3://") else Path(script)
