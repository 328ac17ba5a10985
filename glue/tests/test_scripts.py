"""What holds for the scripts as files: each is whole in itself, and is called with the arguments that its state machine passes."""

import ast
import json
from typing import Any

import pytest
from lake import GLUE

JOBS = sorted(path.stem for path in (GLUE / "jobs").glob("*.py"))
MACHINES = [json.loads((GLUE.parent / "statemachine" / f"{name}.asl.json").read_text()) for name in ("nightly-warehouse", "dataset")]
# What each job has for itself.
OWN = {"main", "run", "transform", "NoOrdersPartition"}


def test_what_two_scripts_share_is_the_same_in_both() -> None:
    """Glue ships one file per job, so shared functions stand in each: a change to one is a change to all."""
    copies: dict[str, set[str]] = {}
    for job in JOBS:
        for node in tree_of(job).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name not in OWN:
                copies.setdefault(node.name, set()).add(ast.unparse(node))
    assert {name for name, texts in copies.items() if len(texts) > 1} == set()
    assert "write_text" in copies


@pytest.mark.parametrize("job", JOBS)
def test_scripts_take_the_arguments_that_are_passed(job: str) -> None:
    (passed,) = [state["Arguments"] for machine in MACHINES for state in states_of(machine) if job_of(state) == job]
    (call,) = [
        node for node in ast.walk(tree_of(job)) if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "getResolvedOptions"
    ]
    assert {f"--{name}" for name in ast.literal_eval(call.args[1])} == {"--JOB_NAME", *passed["Arguments"]}


def test_every_job_has_a_script() -> None:
    assert sorted(filter(None, [job_of(state) for machine in MACHINES for state in states_of(machine)])) == JOBS


def job_of(state: dict[str, Any]) -> str:
    """`${ExtractOrdersJob}` runs `extract-orders`, `${PublishJob}` the longer `publish-to-warehouse`."""
    if not str(state.get("Resource", "")).startswith("arn:aws:states:::glue:startJobRun"):
        return ""
    name = state["Arguments"]["JobName"].removeprefix("${").removesuffix("Job}")
    kebab = "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name).strip("-")
    return next(job for job in JOBS if job.startswith(kebab))


def states_of(machine: dict[str, Any]) -> list[dict[str, Any]]:
    states = list(machine["States"].values())
    return states + [inner for state in states for branch in state.get("Branches", []) for inner in states_of(branch)]


def tree_of(job: str) -> ast.Module:
    return ast.parse((GLUE / "jobs" / f"{job}.py").read_text())
