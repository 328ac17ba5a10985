"""The client of the Spark runner, which runs Glue scripts and judges quality rules in one warm Spark."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_JOB_STATES = ("SUCCEEDED", "FAILED", "TIMEOUT")
_GRACE_SECONDS = 30


class Unreachable(Exception):
    """The runner gave no answer that can be used; the message says why."""


@dataclass(frozen=True)
class Job:
    """A Glue script to run. `arguments` holds the job's defaults with the run's own over them."""

    name: str
    run_id: str
    script: str
    arguments: Mapping[str, str]
    timeout_seconds: int


@dataclass(frozen=True)
class JobOutcome:
    """How a script ended: SUCCEEDED, FAILED or TIMEOUT."""

    state: str
    error_message: str | None = None


class SparkRunner:
    """One request to the runner at a time."""

    def __init__(self, url: str) -> None:
        address = urllib.parse.urlsplit(url)
        self._url = url
        self._host = address.hostname or ""
        self._port = address.port
        self._connection: http.client.HTTPConnection | None = None

    def run(self, job: Job) -> JobOutcome:
        """Run a job to its end. Raises Unreachable."""
        answer = self._post(
            "/jobs",
            {
                "jobName": job.name,
                "jobRunId": job.run_id,
                "script": job.script,
                "arguments": dict(job.arguments),
                "timeoutSeconds": job.timeout_seconds,
            },
            timeout_seconds=job.timeout_seconds + _GRACE_SECONDS,
        )
        state = answer.get("state")
        if state not in _JOB_STATES:
            raise Unreachable(f"The Spark runner at {self._url} answered with the state {state!r}.")
        return JobOutcome(state, answer.get("errorMessage"))

    def judge(self, request: Mapping[str, Any], timeout_seconds: float) -> dict[str, Any]:
        """Judge a table by quality rules; gives the score and the rules' results. Raises Unreachable."""
        answer = self._post("/quality", request, timeout_seconds)
        if not isinstance(answer.get("RuleResults"), list):
            raise Unreachable(f"The Spark runner at {self._url} gave no rule results: {answer}")
        return answer

    def stop(self, run_id: str) -> None:
        """Have a job's script stopped, and hang up on its request, which raises Unreachable in its own thread."""
        connection = self._connection
        with contextlib.suppress(Unreachable):
            SparkRunner(self._url)._post(f"/jobs/{run_id}/stop", {}, _GRACE_SECONDS)
        if connection and connection.sock:
            with contextlib.suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)

    def _post(self, path: str, body: Mapping[str, Any], timeout_seconds: float) -> dict[str, Any]:
        connection = self._connection = http.client.HTTPConnection(self._host, self._port, timeout=timeout_seconds)
        try:
            connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
            response = connection.getresponse()
            text = response.read()
        except TimeoutError as problem:
            raise Unreachable(f"The Spark runner at {self._url} did not answer within {timeout_seconds:.0f} s.") from problem
        except (OSError, http.client.HTTPException) as problem:
            raise Unreachable(f"The Spark runner at {self._url} cannot be reached: {problem}") from problem
        finally:
            connection.close()
        try:
            answer = json.loads(text)
        except ValueError:
            answer = None
        if response.status != 200 or not isinstance(answer, dict):
            reason = answer.get("message") if isinstance(answer, dict) else None
            raise Unreachable(reason or f"The Spark runner at {self._url} answered {response.status}: {text[:500]!r}")
        return answer
