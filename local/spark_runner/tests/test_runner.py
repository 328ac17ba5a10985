"""The runner as the local AWS uses it: a process of its own, spoken to over HTTP."""

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

LOCAL = Path(__file__).parents[2]
SPARK = """
    import sys
    from awsglue.utils import getResolvedOptions
    from pyspark.sql import SparkSession
    spark = SparkSession.builder.appName("a job").getOrCreate()
    options = getResolvedOptions(sys.argv, ["JOB_NAME", "output_uri"])
"""


class Client:
    """A running runner."""

    def __init__(self, folder: Path) -> None:
        self.buckets, self.logs = folder / "s3" / "000000000000", folder / "logs"
        self.buckets.mkdir(parents=True)
        self._folder = folder
        self._port = free_port()
        self.process = subprocess.Popen(self.command(), cwd=LOCAL, env=os.environ | {"AWS_PROFILE": "real", "AWS_SESSION_TOKEN": "real"})

    def command(self) -> list[str]:
        options = {"--port": self._port, "--s3-root": self._folder / "s3", "--endpoint-url": "http://aws.local", "--log-dir": self.logs}
        return [sys.executable, "-m", "spark_runner", *[str(part) for option in options.items() for part in option]]

    def await_ready(self) -> None:
        await_that(lambda: self.health() == 200, seconds=120)

    def health(self) -> int:
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{self._port}/health").status
        except urllib.error.HTTPError as answer:
            return answer.code
        except OSError:
            return 0

    def post(self, path: str, body: Any) -> tuple[int, dict[str, Any]]:
        request = urllib.request.Request(f"http://127.0.0.1:{self._port}{path}", json.dumps(body).encode())
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as answer:
            return answer.code, json.load(answer)

    def put_script(self, name: str, text: str) -> str:
        script = self.buckets / "scripts" / name
        script.parent.mkdir(exist_ok=True)
        script.write_text(textwrap.dedent(text))
        return f"s3://scripts/{name}"

    def run(self, name: str, text: str, arguments: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
        request = {
            "jobName": f"stack-{name}",
            "jobRunId": f"jr_{name}",
            "script": self.put_script(name, text),
            "arguments": arguments or {},
        }
        status, answer = self.post("/jobs", request | more)
        assert status == 200, answer
        return answer

    def log(self, name: str) -> str:
        return (self.logs / "jobs" / f"stack-{name}-jr_{name}.log").read_text()


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    client = Client(tmp_path_factory.mktemp("runner"))
    try:
        client.await_ready()
        yield client
    finally:
        client.process.kill()
        client.process.wait()


def test_a_script_runs_on_buckets_that_came_later_and_may_stop_spark(runner: Client) -> None:
    (runner.buckets / "came-later").mkdir()
    script = (
        SPARK
        + """
    print("working on", options["JOB_NAME"])
    spark.range(3).write.mode("overwrite").parquet(options["output_uri"])
    spark.stop()
    """
    )
    for name in ("writes", "writes-again"):
        answer = runner.run(name, script, {"--output_uri": "s3://came-later/numbers/"})
        assert answer["state"] == "SUCCEEDED", answer
        assert answer["startedOn"] < answer["completedOn"]
    assert runner.log("writes") == "working on stack-writes\n"
    names = {file.name for file in (runner.buckets / "came-later" / "numbers").iterdir()}
    assert "_SUCCESS" in names
    assert not [name for name in names if name.startswith(".")]


def test_two_jobs_at_once_share_nothing(runner: Client) -> None:
    script = (
        SPARK
        + """
    import pathlib, time
    sign = pathlib.Path(options["output_uri"])
    sign.joinpath(options["JOB_NAME"]).touch()
    while len(list(sign.iterdir())) < 2:
        time.sleep(0.05)
    spark.conf.set("spark.sql.shuffle.partitions", "7" if "one" in options["JOB_NAME"] else "9")
    spark.range(1).createOrReplaceTempView(options["JOB_NAME"].replace("-", "_"))
    time.sleep(0.5)
    print(spark.conf.get("spark.sql.shuffle.partitions"), [table.name for table in spark.catalog.listTables()])
    """
    )
    sign = runner.buckets.parent / "sign"
    sign.mkdir()
    with ThreadPoolExecutor() as both:
        answers = list(both.map(lambda name: runner.run(name, script, {"--output_uri": str(sign)}, timeoutSeconds=60), ["one", "two"]))
    assert [answer["state"] for answer in answers] == ["SUCCEEDED", "SUCCEEDED"]
    assert runner.log("one") == "7 ['stack_one']\n"
    assert runner.log("two") == "9 ['stack_two']\n"


def test_errors_come_by_their_name_and_the_log_has_the_rest(runner: Client) -> None:
    answer = runner.run("refuses", "class MalformedRow(Exception): pass\nraise MalformedRow('orders.csv:3: quantity «x»')")
    assert (answer["state"], answer["errorMessage"]) == ("FAILED", "MalformedRow: orders.csv:3: quantity «x»")
    assert "Traceback" in runner.log("refuses")
    assert runner.run("exits", "raise SystemExit(3)")["errorMessage"] == "SystemExit: 3"
    assert runner.run("exits-well", "raise SystemExit")["state"] == "SUCCEEDED"
    assert "exit code -9" in runner.run("dies", "import os; os.kill(os.getpid(), 9)")["errorMessage"]
    _, missing = runner.post("/jobs", {"jobName": "none", "jobRunId": "jr", "script": "s3://scripts/none.py"})
    assert missing["errorMessage"] == "ScriptNotFound: s3://scripts/none.py does not exist"
    assert "GlueArgumentError" in runner.run("argued", SPARK)["errorMessage"]


def test_jobs_reach_the_local_aws_only(runner: Client) -> None:
    answer = runner.run("reaches", """
        import boto3
        client = boto3.client("s3")
        print(client.meta.endpoint_url, client._request_signer._credentials.access_key, client._request_signer._credentials.token)
    """)  # fmt: skip
    assert answer["state"] == "SUCCEEDED", answer
    assert runner.log("reaches") == "http://aws.local test None\n"


def test_a_run_that_takes_too_long_is_ended(runner: Client) -> None:
    slow = (
        SPARK
        + """
    spark.range(10**12).selectExpr("sum(id * id % 7)").write.mode("overwrite").parquet(options["output_uri"])
    """
    )
    (runner.buckets / "slow").mkdir()
    answer = runner.run("slow", slow, {"--output_uri": "s3://slow/sum/"}, timeoutSeconds=3)
    assert (answer["state"], answer["errorMessage"]) == ("TIMEOUT", "The run took longer than 3 seconds")


def test_a_run_can_be_stopped(runner: Client) -> None:
    with ThreadPoolExecutor() as pool:
        sleeping = pool.submit(runner.run, "sleeps", "import time; print('asleep', flush=True); time.sleep(60)")
        await_that(lambda: "sleeps-jr_sleeps.log" in str(list(runner.logs.rglob("*"))) and "asleep" in runner.log("sleeps"))
        assert runner.post("/jobs/jr_sleeps/stop", {}) == (200, {"stopped": True})
        ended = sleeping.result(timeout=5)
    assert (ended["state"], ended["errorMessage"]) == ("FAILED", "The run was stopped")
    assert runner.post("/jobs/jr_sleeps/stop", {}) == (200, {"stopped": False})


def test_planted_faults_come_once_and_after_the_work(runner: Client) -> None:
    assert runner.post("/faults", {"failOnce": ["flaky", "other"]}) == (200, {})
    first, second = (runner.run("flaky", "print('worked')") for _ in range(2))
    assert (first["state"], first["errorMessage"]) == ("FAILED", "InjectedFault: the job did its work and was then made to fail")
    assert second["state"] == "SUCCEEDED"
    assert runner.log("flaky") == "worked\nworked\n"


def test_quality_answers_as_glue_does(runner: Client) -> None:
    (runner.buckets / "judged").mkdir()
    write = (
        SPARK
        + """
    spark.range(3).write.parquet(options["output_uri"])
    """
    )
    runner.run("judged", write, {"--output_uri": "s3://judged/numbers/"})
    request = {"rulesetName": "numbers", "location": "s3://judged/numbers/", "partition": {"run_date": "2026-11-20"}}
    rules = 'Rules = [ RowCount = 3, IsUnique "id", ColumnValues "run_date" = "2026-11-20", IsNice "id" ]'
    status, answer = runner.post("/quality", request | {"ruleset": rules})
    assert status == 200
    assert (answer["Score"], answer["RulesetName"]) == (0.75, "numbers")
    assert [rule["Result"] for rule in answer["RuleResults"]] == ["PASS", "PASS", "PASS", "ERROR"]
    assert answer["RuleResults"][0] == {
        "Name": "Rule_1",
        "Description": "RowCount = 3",
        "Result": "PASS",
        "EvaluatedMetrics": {"Dataset.*.RowCount": 3.0},
    }
    assert answer["RuleResults"][3]["EvaluationMessage"] == "the rule IsNice is not known here"

    status, answer = runner.post("/quality", request | {"ruleset": "Rules = RowCount > 0"})
    assert (status, answer) == (400, {"message": "line 1, column 9: «[» was expected, found «RowCount»"})
    status, answer = runner.post("/quality", request | {"ruleset": rules, "location": "s3://judged/nothing/"})
    assert status == 500
    assert "s3://judged/nothing" in answer["message"]


def test_requests_that_make_no_sense_are_refused(runner: Client) -> None:
    assert runner.post("/jobs", {"jobName": "a"}) == (400, {"message": "the request has no jobRunId"})
    assert runner.post("/jobs", [1]) == (400, {"message": "the request is not a JSON object"})
    assert runner.post("/quality", {"ruleset": ""}) == (400, {"message": "the request has no location"})
    assert runner.post("/nothing", {})[0] == 404


@pytest.mark.parametrize("when_ready", [True, False], ids=["when ready", "while starting"])
def test_sigterm_ends_everything_within_two_seconds(tmp_path: Path, when_ready: bool) -> None:
    client = Client(tmp_path)
    if when_ready:
        client.await_ready()
        threading.Thread(target=lambda: ignoring_errors(client.run, "sleeps", "import time; time.sleep(60)"), daemon=True).start()
        await_that(lambda: any(client.logs.rglob("*.log")))
    else:
        await_that(lambda: client.health() == 503)
        time.sleep(1)
    family = descendants(client.process.pid)
    assert len(family) >= (3 if when_ready else 1)
    client.process.send_signal(signal.SIGTERM)
    await_that(lambda: client.process.poll() is not None and not any(map(is_alive, family)), seconds=2)


def test_the_runner_ends_with_its_parent(tmp_path: Path) -> None:
    client = Client(tmp_path / "unused")
    client.process.kill()
    parent = subprocess.Popen([sys.executable, "-c", f"import subprocess; subprocess.run({client.command()!r})"], cwd=LOCAL)
    client.await_ready()
    family = descendants(parent.pid)
    parent.kill()
    parent.wait()
    await_that(lambda: not any(map(is_alive, family)), seconds=5)


def await_that(holds: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"it did not come true within {seconds} seconds"
        time.sleep(0.05)


def ignoring_errors(action: Callable[..., Any], *arguments: Any) -> None:
    try:
        action(*arguments)
    except (OSError, AssertionError):
        return


def descendants(ancestor: int) -> list[int]:
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found, new = [], [ancestor]
    while new:
        new = [process for process, parent in parents.items() if parent in new]
        found += new
    return found


def is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
