"""`python -m spark_runner --port P --s3-root DIR --endpoint-url URL --log-dir DIR`, from the folder `local`.

Objects lie at `DIR/<account>/<bucket>/<key>`. Scripts that call AWS call URL. Ends with the process that started it, and within two
seconds of SIGTERM or SIGINT, its JVM too.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import Future
from pathlib import Path

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from spark_runner.jobs import Jobs
from spark_runner.server import Runner
from spark_runner.session import open_session

ACCOUNT = "000000000000"


def main() -> None:
    options = parse_arguments()
    parent = os.getppid()
    lead_process_group()
    call_only(options.endpoint_url)
    scratch = Path(tempfile.mkdtemp(prefix="spark-runner-"))
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    server = Runner(options.port)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    # In a thread, so that this one hears signals while Spark starts.
    warm: Future[SparkSession] = Future()
    threading.Thread(target=start, args=(options, scratch, server, warm), daemon=True).start()

    failure = ""
    # The parent's id is looked at, not asked of the kernel as a signal: that signal comes when the parent's *thread* ends.
    while not failure and os.getppid() == parent and not ended.wait(0.2):
        if warm.done() and warm.exception():
            failure = f"Spark did not start: {warm.exception()}"
        elif warm.done() and jvm_of(warm.result()).poll() is not None:
            failure = "Spark ended by itself; its last words are above"
    if failure:
        print(failure, file=sys.stderr, flush=True)
    if warm.done() and not warm.exception():
        # Killed, not asked: it holds nothing but its scratch folder, and its own way out takes seconds.
        jvm_of(warm.result()).kill()
    shutil.rmtree(scratch, ignore_errors=True)
    if not warm.done():
        # The JVM is there, but not yet ours to end by its handle.
        os.killpg(0, signal.SIGKILL)
    os._exit(1 if failure else 0)


def start(options: argparse.Namespace, scratch: Path, server: Runner, warm: "Future[SparkSession]") -> None:
    try:
        buckets = options.s3_root / ACCOUNT
        session = open_session(buckets, scratch)
        jobs = Jobs(session, buckets, options.log_dir)
        warm_up(session, scratch)
        server.use(session, jobs, buckets)
        print(f"ready on http://127.0.0.1:{options.port}", flush=True)
        warm.set_result(session)
    except Exception as error:
        warm.set_exception(error)


def lead_process_group() -> None:
    """Everything that this process starts can be ended at once."""
    if os.getpgrp() != os.getpid():
        os.setpgid(0, 0)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="spark_runner", description="Runs Glue jobs and quality rules in one warm Spark.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--s3-root", type=Path, required=True, help="where the local S3 keeps its objects")
    parser.add_argument("--endpoint-url", required=True, help="the local AWS, for scripts that call it")
    parser.add_argument("--log-dir", type=Path, required=True)
    return parser.parse_args()


def call_only(endpoint_url: str) -> None:
    """Points the AWS SDK of every job at the local AWS, and takes the credentials of a real one out of its reach."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        os.environ.pop(name, None)
    os.environ |= {
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
    os.environ.setdefault("AWS_DEFAULT_REGION", os.environ.get("AWS_REGION", "us-east-1"))


def warm_up(session: SparkSession, scratch: Path) -> None:
    """The first query of a JVM takes seconds: better now, while the rest of the local AWS is still starting."""
    table = session.range(10).select(F.col("id"), (F.col("id") % 2).alias("key"))
    table.write.mode("overwrite").parquet(f"file://{scratch}/warm-up")
    session.read.parquet(f"file://{scratch}/warm-up").groupBy("key").agg(F.count(F.lit(1))).collect()


def jvm_of(session: SparkSession) -> "subprocess.Popen[bytes]":
    return session.sparkContext._gateway.proc


if __name__ == "__main__":
    main()
