"""The runner's HTTP face, on loopback only."""

import json
import sys
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event
from typing import Any

from pyspark.sql import SparkSession

from spark_runner.dqdl import RulesetSyntaxError
from spark_runner.jobs import JobRequest, Jobs
from spark_runner.quality import QualityRequest, judge


class Runner(ThreadingHTTPServer):
    """Listens from the start; a request that needs Spark waits until it is warm."""

    daemon_threads = True
    request_queue_size = 32

    def __init__(self, port: int) -> None:
        self._warm = Event()
        super().__init__(("127.0.0.1", port), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is none of our errors."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def use(self, session: SparkSession, jobs: Jobs, buckets: Path) -> None:
        self._session, self._jobs, self._buckets = session, jobs, buckets
        self._warm.set()

    def health(self) -> tuple[HTTPStatus, dict[str, Any]]:
        if self._warm.is_set():
            return HTTPStatus.OK, {"state": "READY"}
        return HTTPStatus.SERVICE_UNAVAILABLE, {"state": "STARTING"}

    def run_job(self, body: dict[str, Any]) -> dict[str, Any]:
        request = JobRequest.parse(body)
        self._warm.wait()
        return self._jobs.run(request).as_json()

    def stop_job(self, run_id: str) -> dict[str, Any]:
        self._warm.wait()
        return {"stopped": self._jobs.stop(run_id)}

    def judge_quality(self, body: dict[str, Any]) -> dict[str, Any]:
        request = QualityRequest.parse(body)
        self._warm.wait()
        return judge(self._session, self._buckets, request)

    def plant_faults(self, body: dict[str, Any]) -> dict[str, Any]:
        self._warm.wait()
        self._jobs.fail_once(str(name) for name in body.get("failOnce", []))
        return {}


class _Handler(BaseHTTPRequestHandler):
    server: Runner
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/health":
            self._answer(*self.server.health())
        else:
            self._answer(HTTPStatus.NOT_FOUND, {"message": f"there is no {self.path}"})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        match self.path.strip("/").split("/"):
            case ["jobs"]:
                self._attempt(body, self.server.run_job)
            case ["jobs", run_id, "stop"]:
                self._attempt(body, lambda _: self.server.stop_job(run_id))
            case ["quality"]:
                self._attempt(body, self.server.judge_quality)
            case ["faults"]:
                self._attempt(body, self.server.plant_faults)
            case _:
                self._answer(HTTPStatus.NOT_FOUND, {"message": f"there is no {self.path}"})

    def _attempt(self, body: bytes, action: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        try:
            request = json.loads(body or b"{}")
            if not isinstance(request, dict):
                raise ValueError("the request is not a JSON object")
            self._answer(HTTPStatus.OK, action(request))
        except (ValueError, TypeError, RulesetSyntaxError) as error:
            self._answer(HTTPStatus.BAD_REQUEST, {"message": str(error)})
        except Exception as error:
            self._answer(HTTPStatus.INTERNAL_SERVER_ERROR, {"message": f"{type(error).__name__}: {error}".partition("\n")[0]})

    def _answer(self, status: HTTPStatus, answer: dict[str, Any]) -> None:
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_request(self, code: object = "-", size: object = "-") -> None:
        if self.path == "/health":
            return
        print(f"{self.command} {self.path} {int(code) if isinstance(code, HTTPStatus) else code}", file=sys.stderr, flush=True)
