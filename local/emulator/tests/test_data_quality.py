"""Glue Data Quality."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from emulator.tests.conftest import Emulator, FakeSparkRunner, Night, wait_until
from emulator.tests.stacks import stack

RULES = 'Rules = [ RowCount > 0, IsComplete "order_id" ]'
PASSED = {"Name": "Rule_1", "Description": "RowCount > 0", "Result": "PASS", "EvaluatedMetrics": {"Dataset.*.RowCount": 4.0}}
FAILED = {"Name": "Rule_2", "Description": 'IsComplete "order_id"', "Result": "FAIL", "EvaluationMessage": "1 row is empty"}


@pytest.fixture
def glue(emulator: Emulator) -> Any:
    """Glue's client."""
    return emulator.client("glue")


@pytest.fixture
def table(glue: Any, name: str) -> dict[str, str]:
    """A table with two keys and two partitions, each at a place of its own."""
    glue.create_database(DatabaseInput={"Name": name})
    keys = [{"Name": "run_date", "Type": "string"}, {"Name": "run_id", "Type": "string"}]
    storage = {"Columns": [{"Name": "order_id", "Type": "string"}], "Location": "s3://work/staged/"}
    glue.create_table(DatabaseName=name, TableInput={"Name": "staged", "PartitionKeys": keys, "StorageDescriptor": storage})
    for run in ("a", "b"):
        glue.create_partition(
            DatabaseName=name,
            TableName="staged",
            PartitionInput={"Values": ["2026-11-20", run], "StorageDescriptor": {"Location": f"s3://work/{run}/apply-fx/"}},
        )
    return {"DatabaseName": name, "TableName": "staged"}


@pytest.fixture
def ruleset(glue: Any, name: str) -> str:
    """A ruleset."""
    glue.create_data_quality_ruleset(Name=name, Ruleset=RULES)
    return name


def start(glue: Any, table: dict[str, str], ruleset: str, predicate: str = "run_id = 'b'", **others: Any) -> str:
    """Start a run over the partitions that a predicate selects."""
    source = {"GlueTable": {**table, "AdditionalOptions": {"pushDownPredicate": predicate}}}
    return glue.start_data_quality_ruleset_evaluation_run(DataSource=source, Role="r", RulesetNames=[ruleset], **others)["RunId"]


def ended(glue: Any, run_id: str) -> dict[str, Any]:
    """The run, once it has ended."""

    def look() -> dict[str, Any] | None:
        run = glue.get_data_quality_ruleset_evaluation_run(RunId=run_id)
        return run if run["Status"] not in ("STARTING", "RUNNING") else None

    return wait_until(look)


def test_a_run_judges_the_one_partition_that_is_selected(glue: Any, table: dict[str, str], ruleset: str, runner: FakeSparkRunner) -> None:
    runner.rules[ruleset] = lambda _request: {"Score": 0.5, "RuleResults": [PASSED, FAILED]}
    run = ended(glue, start(glue, table, ruleset, "run_date = '2026-11-20' and run_id = 'b'"))
    assert run["Status"] == "SUCCEEDED"
    result = glue.get_data_quality_result(ResultId=run["ResultIds"][0])
    assert (result["Score"], result["RulesetName"], result["RuleResults"]) == (0.5, ruleset, [PASSED, FAILED])
    assert runner.requests[-1][1] == {
        "ruleset": RULES,
        "rulesetName": ruleset,
        "database": table["DatabaseName"],
        "table": "staged",
        "location": "s3://work/b/apply-fx/",
        "partition": {"run_date": "2026-11-20", "run_id": "b"},
    }


def test_a_run_is_running_until_the_rules_are_judged(glue: Any, table: dict[str, str], ruleset: str, runner: FakeSparkRunner) -> None:
    judged = threading.Event()
    runner.rules[ruleset] = lambda _request: {"Score": float(judged.wait(10)), "RuleResults": [PASSED]}
    run_id = start(glue, table, ruleset)
    wait_until(lambda: glue.get_data_quality_ruleset_evaluation_run(RunId=run_id)["Status"] == "RUNNING")
    assert "ResultIds" not in glue.get_data_quality_ruleset_evaluation_run(RunId=run_id)
    judged.set()
    assert ended(glue, run_id)["Status"] == "SUCCEEDED"


@pytest.mark.parametrize(
    ("predicate", "answer", "reason"),
    [
        ("run_id = 'c'", {"Score": 1.0, "RuleResults": [PASSED]}, "No partition"),
        ("run_id = 'a'", {"unexpected": "no such path"}, "no such path"),
        ("run_id is is", {"Score": 1.0, "RuleResults": [PASSED]}, ""),
    ],
)
def test_a_run_that_cannot_judge_fails_and_says_why(
    glue: Any, table: dict[str, str], ruleset: str, runner: FakeSparkRunner, predicate: str, answer: dict[str, Any], reason: str
) -> None:
    runner.rules[ruleset] = lambda _request: answer
    run = ended(glue, start(glue, table, ruleset, predicate))
    assert run["Status"] == "FAILED"
    assert reason in run["ErrorString"]
    assert "ResultIds" not in run


def test_the_same_client_token_starts_one_run(glue: Any, table: dict[str, str], ruleset: str, runner: FakeSparkRunner) -> None:
    runner.rules[ruleset] = lambda _request: {"Score": 1.0, "RuleResults": [PASSED]}
    first = start(glue, table, ruleset, ClientToken="once")
    assert start(glue, table, ruleset, ClientToken="once") == first
    assert start(glue, table, ruleset, ClientToken="twice") != first


def test_what_is_unknown_is_refused_by_name(glue: Any, table: dict[str, str], ruleset: str) -> None:
    missing = glue.exceptions.EntityNotFoundException
    with pytest.raises(missing):
        start(glue, table, "no-such-ruleset")
    with pytest.raises(missing):
        start(glue, {**table, "TableName": "nowhere"}, ruleset)
    with pytest.raises(missing):
        glue.get_data_quality_result(ResultId="dqresult-0")
    with pytest.raises(missing):
        glue.get_data_quality_ruleset_evaluation_run(RunId="dqrun-0")


def test_a_template_makes_changes_and_deletes_a_ruleset(glue: Any, emulator: Emulator, name: str) -> None:
    def ruleset(text: str) -> dict[str, Any]:
        return {"Rules": {"Type": "AWS::Glue::DataQualityRuleset", "Properties": {"Name": name, "Ruleset": text}}}

    with stack(emulator, name, ruleset(RULES), Outputs={"Name": {"Value": {"Ref": "Rules"}}}) as made:
        assert made.outputs() == {"Name": name}
        assert glue.get_data_quality_ruleset(Name=name)["Ruleset"] == RULES
        made.apply(ruleset("Rules = [ RowCount > 10 ]"))
        assert glue.get_data_quality_ruleset(Name=name)["Ruleset"] == "Rules = [ RowCount > 10 ]"

    def is_gone() -> bool:
        return not any(one["Name"] == name for one in glue.list_data_quality_rulesets()["Rulesets"])

    wait_until(is_gone)


def test_the_gates_calls_work_from_a_state_machine(
    machine: Callable[..., Night], table: dict[str, str], ruleset: str, runner: FakeSparkRunner
) -> None:
    runner.rules[ruleset] = lambda _request: {"Score": 0.5, "RuleResults": [PASSED, FAILED]}
    sdk = "arn:aws:states:::aws-sdk:glue:"
    predicate = "{% \"run_date = '\" & $states.input.day & \"' and run_id = 'a'\" %}"
    source = {"GlueTable": {**table, "AdditionalOptions": {"pushDownPredicate": predicate}}}
    read_rules = "[$states.result.RuleResults.{'rule': Description, 'result': Result, 'message': EvaluationMessage}]"
    night = machine(
        {
            "Start": {
                "Type": "Task",
                "Resource": f"{sdk}startDataQualityRulesetEvaluationRun",
                "Arguments": {"DataSource": source, "Role": "r", "RulesetNames": [ruleset], "NumberOfWorkers": 2},
                "Assign": {"run": "{% $states.result.RunId %}"},
                "Next": "Wait",
            },
            "Wait": {"Type": "Wait", "Seconds": "{% 1 %}", "Next": "Read"},
            "Read": {
                "Type": "Task",
                "Resource": f"{sdk}getDataQualityRulesetEvaluationRun",
                "Arguments": {"RunId": "{% $run %}"},
                "Next": "Result",
            },
            "Result": {
                "Type": "Task",
                "Resource": f"{sdk}getDataQualityResult",
                "Arguments": {"ResultId": "{% $states.input.ResultIds[0] %}"},
                "Output": {"score": "{% $states.result.Score %}", "rules": "{% " + read_rules + " %}"},
                "End": True,
            },
        }
    )
    assert night.run({"day": "2026-11-20"})["output"] == {
        "score": 0.5,
        "rules": [
            {"rule": "RowCount > 0", "result": "PASS"},
            {"rule": 'IsComplete "order_id"', "result": "FAIL", "message": "1 row is empty"},
        ],
    }
