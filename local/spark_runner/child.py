"""The process that runs one Glue job: it has its own arguments, log, environment and session, and shares nothing but the warm JVM."""

import ctypes
import os
import runpy
import signal
import sys
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

from py4j.java_gateway import JavaGateway
from pyspark import SparkConf, SparkContext
from pyspark.java_gateway import launch_gateway
from pyspark.sql import SparkSession

PR_SET_PDEATHSIG = 1


class Gateway(NamedTuple):
    """Where the warm JVM listens."""

    port: int
    secret: str


class Assignment(NamedTuple):
    """One run of one job."""

    run_id: str
    script: Path
    arguments: list[str]
    log: Path


def run_job(assignment: Assignment, gateway: Gateway, answer: Connection) -> None:
    """Runs the script as Glue does, and answers with what went wrong, or with an empty text."""
    die_with_parent(signal.SIGKILL)
    with assignment.log.open("a", encoding="utf-8") as log:
        os.dup2(log.fileno(), sys.stdout.fileno())
        os.dup2(log.fileno(), sys.stderr.fileno())
    error = ""
    try:
        _attach(gateway, assignment.run_id)
        sys.argv = [str(assignment.script), *assignment.arguments]
        runpy.run_path(str(assignment.script), run_name="__main__")
    except SystemExit as exit_:
        error = f"SystemExit: {exit_.code}" if exit_.code else ""
    except BaseException as raised:
        traceback.print_exc()
        error = f"{type(raised).__name__}: {raised}"
    sys.stdout.flush()
    sys.stderr.flush()
    answer.send(error)
    answer.close()
    # At once: nothing of the interpreter's own farewell may reach into the JVM that others use.
    os._exit(0)


def die_with_parent(by: signal.Signals) -> None:
    """Linux sends this process the signal when its parent ends, however that ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, by)


def _attach(gateway: Gateway, run_id: str) -> None:
    """Makes a new session of the warm JVM the one that `SparkSession.builder.getOrCreate()` gives this process."""
    os.environ["PYSPARK_GATEWAY_PORT"] = str(gateway.port)
    os.environ["PYSPARK_GATEWAY_SECRET"] = gateway.secret
    java: JavaGateway = launch_gateway()
    warm = java.jvm.SparkSession.getDefaultSession().get()
    java_context = java.jvm.JavaSparkContext.fromSparkContext(warm.sparkContext())
    context = SparkContext(gateway=java, jsc=java_context, conf=SparkConf(_jconf=java_context.getConf()))
    SparkSession(context, warm.newSession())
    java.jvm.SparkSession.setDefaultSession(warm)
    # The run can be cancelled by its id.
    context.setJobGroup(run_id, run_id, interruptOnCancel=True)
    # A Glue script may stop its session at the end; the JVM stays warm for the next.
    SparkSession.stop = lambda self: None  # type: ignore[method-assign]
