"""Starts one emulator for all tests, with a Spark runner that the tests speak for."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
import uuid
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.config import Config

# Shared, because reading the services' models anew for each client takes longer than most tests.
_SESSION = botocore.session.get_session()
ROLE = "arn:aws:iam::000000000000:role/any"
_LOCAL = Path(__file__).resolve().parents[2]
Answer = Callable[[dict[str, Any]], dict[str, Any]]


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--without GAP` shows which tests a gap is needed for."""
    parser.addoption("--without", default="", help="gaps to leave out, with spaces between")


@dataclass
class FakeSparkRunner:
    """Answers as the Spark runner does; a job's answer is chosen by its name."""

    url: str = ""
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    jobs: dict[str, Answer] = field(default_factory=dict)
    rules: dict[str, Answer] = field(default_factory=dict)
    stopped: set[str] = field(default_factory=set)
    hung_up: threading.Event = field(default_factory=threading.Event)

    def answer(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The answer to one request."""
        self.requests.append((path, body))
        if path.endswith("/stop"):
            self.stopped.add(path.split("/")[2])
            return {"stopped": True}
        if path == "/jobs":
            return self.jobs[body["jobName"]](body)
        return self.rules[body["rulesetName"]](body)


@dataclass(frozen=True)
class Emulator:
    """A running emulator."""

    process: subprocess.Popen[bytes]
    port: int
    folder: Path
    runner: FakeSparkRunner

    @property
    def endpoint(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def client(self, service: str) -> Any:
        """AWS's client of a service, aimed at the emulator."""
        return client(service, self.endpoint)


def client(service: str, endpoint: str, config: Config | None = None) -> Any:
    """AWS's client of a service."""
    return _SESSION.create_client(
        service, region_name="us-east-1", endpoint_url=endpoint, aws_access_key_id="test", aws_secret_access_key="test", config=config
    )


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_emulator(folder: Path, runner: FakeSparkRunner, without: str = "", wrapped_in: tuple[str, ...] = ()) -> Emulator:
    """Start an emulator and wait until it answers."""
    port = free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(_LOCAL),
        "GATEWAY_PORT": str(port),
        "S3_DATA_DIR": str(folder / "s3"),
        "INBOX_DIR": str(folder / "inbox"),
        "LOG_DIR": str(folder / "logs"),
        "SPARK_RUNNER_URL": runner.url,
        "STEP_FUNCTIONS": os.environ["STEP_FUNCTIONS"],
        "EXECUTIONS_DIR": str(folder / "executions"),
        "EMULATOR_WITHOUT": without,
    }
    output = (folder / "emulator.log").open("wb")
    process = subprocess.Popen([*wrapped_in, sys.executable, "-m", "emulator"], env=environment, stdout=output, stderr=subprocess.STDOUT)
    emulator = Emulator(process, port, folder, runner)
    wait_until(lambda: answers(port) or process.poll() is not None, seconds=30)
    assert answers(port), (folder / "emulator.log").read_text()
    return emulator


def answers(port: int) -> bool:
    """Whether an emulator answers at this port."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/_ministack/health", timeout=2) as response:
            return response.status == 200
    except OSError:
        return False


def wait_until(holds: Callable[[], Any], seconds: float = 20) -> Any:
    """Wait until something holds; gives it."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = holds()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"still not so after {seconds} s")


@pytest.fixture(scope="session")
def runner() -> Iterator[FakeSparkRunner]:
    """A Spark runner on a free port."""
    fake = FakeSparkRunner()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answer = json.dumps(fake.answer(self.path, body)).encode()
            try:
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)
            except ConnectionError:
                fake.hung_up.set()

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    fake.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield fake
    server.shutdown()


@pytest.fixture(scope="session")
def emulator(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, runner: FakeSparkRunner) -> Iterator[Emulator]:
    """The emulator that all tests share."""
    started = start_emulator(tmp_path_factory.mktemp("emulator"), runner, request.config.getoption("--without"))
    yield started
    started.process.terminate()
    started.process.wait(5)


@pytest.fixture
def name() -> str:
    """A name of the test's own."""
    return f"t{uuid.uuid4().hex[:10]}"


@dataclass(frozen=True)
class Night:
    """One state machine, and executions of it."""

    sfn: Any
    arn: str

    def start(self, value: Any = None, **named: Any) -> str:
        """Start an execution."""
        return self.sfn.start_execution(stateMachineArn=self.arn, input=json.dumps(value or {}), **named)["executionArn"]

    def run(self, value: Any = None, seconds: float = 20) -> dict[str, Any]:
        """Run an execution to its end."""
        return self.end_of(self.start(value), seconds)

    def end_of(self, execution: str, seconds: float = 20) -> dict[str, Any]:
        """How an execution ended; its output is parsed."""
        described = wait_until(lambda: self._ended(execution), seconds)
        return {**described, "output": json.loads(described["output"]) if described.get("output") else None}

    def _ended(self, execution: str) -> dict[str, Any] | None:
        described = self.sfn.describe_execution(executionArn=execution)
        return described if described["status"] != "RUNNING" else None

    def events(self, execution: str) -> list[dict[str, Any]]:
        """The history."""
        return self.sfn.get_execution_history(executionArn=execution, maxResults=1000)["events"]

    def kinds(self, execution: str) -> list[str]:
        """The kinds of the history's events, in their order."""
        return [event["type"] for event in self.events(execution)]


@pytest.fixture
def machine(emulator: Emulator, name: str) -> Callable[..., Night]:
    """Makes a JSONata state machine of the given states; the first one starts."""
    sfn = emulator.client("stepfunctions")
    made = iter(range(100))

    def make(states: dict[str, Any], **fields: Any) -> Night:
        definition = {"QueryLanguage": "JSONata", "StartAt": next(iter(states)), "States": states, **fields}
        created = sfn.create_state_machine(name=f"{name}-{next(made)}", definition=json.dumps(definition), roleArn=ROLE)
        return Night(sfn, created["stateMachineArn"])

    return make


@pytest.fixture
def function(emulator: Emulator, name: str) -> Callable[..., str]:
    """Makes a function from a script that serves Lambda's runtime API; gives its name."""
    client = emulator.client("lambda")
    made = iter(range(100))

    def make(handler: str, **settings: Any) -> str:
        function_name = f"{name}-{next(made)}"
        client.create_function(
            FunctionName=function_name,
            Runtime="provided.al2023",
            Handler="bootstrap",
            Role=ROLE,
            Timeout=settings.pop("Timeout", 10),
            Code={"ZipFile": _zip(_BOOTSTRAP.replace("HANDLER", handler))},
            **settings,
        )
        return function_name

    return make


def _zip(bootstrap: str) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as files:
        entry = zipfile.ZipInfo("bootstrap")
        entry.external_attr = 0o755 << 16
        files.writestr(entry, f"#!{sys.executable}\n{bootstrap}")
    return archive.getvalue()


# A bootstrap as a native function has one: it asks for events, and answers with what HANDLER evaluates to.
_BOOTSTRAP = """
import json, os, sys, time, urllib.request
base = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/"
def post(path, value):
    urllib.request.urlopen(urllib.request.Request(base + path, json.dumps(value).encode(), method="POST"))
class Named(Exception):
    pass
def fail(name, message):
    error = Named(message)
    error.name = name
    raise error
while True:
    with urllib.request.urlopen(base + "next") as response:
        request = response.headers["Lambda-Runtime-Aws-Request-Id"]
        event = json.load(response)
    print("event", json.dumps(event), flush=True)
    try:
        result = HANDLER
    except Named as error:
        post(request + "/error", {"errorType": error.name, "errorMessage": str(error)})
    else:
        post(request + "/response", result)
"""
