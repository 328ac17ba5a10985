"""State machines run as Step Functions runs them."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from emulator.tests.conftest import Emulator, FakeSparkRunner, Night, wait_until

Machine = Callable[..., Night]
Function = Callable[..., str]
PASS = {"Type": "Pass", "End": True}
FAIL = {"Type": "Fail", "Error": "Broken", "Cause": "on purpose"}


def wait(seconds: Any, **fields: Any) -> dict[str, Any]:
    """A Wait state."""
    return {"Type": "Wait", "Seconds": seconds, **(fields or {"End": True})}


def branch(**states: Any) -> dict[str, Any]:
    """A branch of the given states; the first one starts."""
    return {"StartAt": next(iter(states)), "States": states}


def invoke(function: str, payload: Any = None, **fields: Any) -> dict[str, Any]:
    """A Task that calls a function."""
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": {"FunctionName": function, "Payload": payload or {}},
        **({"End": True} if "Next" not in fields else {}),
        **fields,
    }


@pytest.mark.parametrize(
    ("state", "output"),
    [
        ({"Type": "Pass", "Output": {"a": "{% $states.input.a + 1 %}"}}, {"a": 2}),
        ({"Type": "Succeed", "Output": "{% $states.input.a %}"}, 1),
        ({"Type": "Wait", "Seconds": "{% $states.input.a - 1 %}", "Output": {"waited": True}}, {"waited": True}),
        (
            {
                "Type": "Parallel",
                "Arguments": {"b": "{% $states.input.a * 10 %}"},
                "Branches": [branch(One=PASS), branch(Two={**PASS, "Output": "{% $states.input.b + 1 %}"})],
                "Output": {"both": "{% $states.result %}"},
            },
            {"both": [{"b": 10}, 11]},
        ),
        (
            {
                "Type": "Map",
                "Items": "{% [1..3] %}",
                "ItemSelector": {"n": "{% $states.context.Map.Item.Value + $states.input.a %}"},
                "ItemProcessor": branch(Each={**PASS, "Output": "{% $states.input.n %}"}),
                "Output": "{% $sum($states.result) %}",
            },
            9,
        ),
    ],
    ids=lambda value: value["Type"] if isinstance(value, dict) and "Type" in value else "",
)
def test_every_state_has_arguments_and_output(machine: Machine, state: dict[str, Any], output: Any) -> None:
    end = {} if state["Type"] == "Succeed" else {"End": True}
    assert machine({"Only": {**state, **end}}).run({"a": 1})["output"] == output


def test_a_choice_assigns_and_outputs_by_the_rule_that_matched(machine: Machine) -> None:
    rule = {"Condition": "{% $states.input.n > 1 %}", "Assign": {"size": "large"}, "Output": {"seen": 1}, "Next": "End"}
    choice = {"Type": "Choice", "Choices": [rule], "Default": "End", "Assign": {"size": "small"}}
    night = machine({"Choose": choice, "End": {**PASS, "Output": "{% [$size, $states.input] %}"}})
    assert night.run({"n": 2})["output"] == ["large", {"seen": 1}]
    assert night.run({"n": 1})["output"] == ["small", {"n": 1}]


def test_a_condition_must_be_true_or_false(machine: Machine) -> None:
    rule = {"Condition": "{% 'yes' %}", "Next": "End"}
    ended = machine({"Choose": {"Type": "Choice", "Choices": [rule], "Default": "End"}, "End": PASS}).run()
    assert ended["error"] == "States.QueryEvaluationError"
    assert "Expected 'boolean', but was 'string'" in ended["cause"]


def test_assign_reads_the_values_from_before(machine: Machine) -> None:
    swap = {"Type": "Pass", "Assign": {"a": "{% $b %}", "b": "{% $a %}"}, "Next": "End"}
    set_both = {"Type": "Pass", "Assign": {"a": 1, "b": 2}, "Next": "Swap"}
    assert machine({"Set": set_both, "Swap": swap, "End": {**PASS, "Output": "{% [$a, $b] %}"}}).run()["output"] == [2, 1]


def test_a_branch_reads_outer_variables_and_keeps_its_own(machine: Machine) -> None:
    inner = {**PASS, "Assign": {"leaked": 1}, "Output": "{% $outer %}"}
    night = machine(
        {
            "Set": {"Type": "Pass", "Assign": {"outer": 7}, "Next": "Both"},
            "Both": {"Type": "Parallel", "Branches": [branch(Inner=inner)], "Next": "End"},
            "End": {**PASS, "Output": {"branches": "{% $states.input %}", "leaked": "{% $exists($leaked) %}"}},
        }
    )
    assert night.run()["output"] == {"branches": [7], "leaked": False}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("$hash('a', 'SHA-256')", "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"),
        ("$parse('{\"a\": [1, null]}').a", [1, None]),
        ("$partition([1, 2, 3], 2)", [[1, 2], [3]]),
        ("$range(1, 5, 2)", [1, 3, 5]),
        ("$length($uuid())", 36),
        ("$random(1) = $random(1)", True),
        ("$floor(3600 / 2)", 1800),
        ("3.0", 3),
        ("null", None),
        ("$states.context.Execution.Name = $states.input.name", False),
        ("$toMillis($states.context.State.EnteredTime) >= $toMillis($states.context.Execution.StartTime)", True),
    ],
)
def test_expressions_have_the_functions_of_step_functions(machine: Machine, expression: str, value: Any) -> None:
    ended = machine({"Only": {**PASS, "Output": {"value": "{% " + expression + " %}"}}}).run({"name": "another"})
    assert ended["output"] == {"value": value}


@pytest.mark.parametrize("expression", ["$states.input.missing", "$eval('1')", "$toMillis('yesterday')", "function($x){$x}"])
def test_an_expression_without_a_value_fails_by_name_and_place(machine: Machine, expression: str) -> None:
    night = machine({"Only": {**PASS, "Output": {"value": "{% " + expression + " %}"}}})
    execution = night.start()
    ended = night.end_of(execution)
    assert (ended["status"], ended["error"]) == ("FAILED", "States.QueryEvaluationError")
    failed = next(event for event in night.events(execution) if event["type"] == "EvaluationFailed")
    assert failed["evaluationFailedEventDetails"]["location"] == "Output/value"


@pytest.mark.parametrize("timestamp", ["2026-11-20 01:00:00Z", "2026-11-20T01:00:00", "tomorrow"])
def test_a_wait_until_no_instant_fails_by_name(machine: Machine, timestamp: str) -> None:
    ended = machine({"Wait": {"Type": "Wait", "Timestamp": "{% $states.input.at %}", "End": True}}).run({"at": timestamp})
    assert (ended["error"], timestamp in ended["cause"]) == ("States.QueryEvaluationError", True)


def test_a_map_over_nothing_gives_nothing(machine: Machine) -> None:
    each = {"Type": "Map", "Items": [], "ItemProcessor": branch(One=PASS), "End": True}
    assert machine({"Each": each}).run()["output"] == []


def test_a_fail_state_evaluates_its_error_and_cause(machine: Machine) -> None:
    ended = machine({"Bad": {"Type": "Fail", "Error": "Rejected", "Cause": "{% 'because ' & $states.input.why %}"}}).run(
        {"why": "it is late"}
    )
    assert (ended["status"], ended["error"], ended["cause"]) == ("FAILED", "Rejected", "because it is late")
    assert ended["output"] is None


def test_a_function_gets_its_payload_and_its_answer_comes_back(machine: Machine, function: Function) -> None:
    state = invoke(function('{"got": event}'), {"n": "{% $states.input.n %}"}, Output="{% $states.result %}")
    output = machine({"Call": state}).run({"n": 5})["output"]
    assert (output["ExecutedVersion"], output["Payload"], output["StatusCode"]) == ("$LATEST", {"got": {"n": 5}}, 200)
    assert (output["SdkHttpMetadata"]["HttpStatusCode"], len(output["SdkResponseMetadata"]["RequestId"])) == (200, 36)


def test_a_functions_error_is_caught_by_its_own_name(machine: Machine, function: Function) -> None:
    catch = {
        "ErrorEquals": ["RatesStale"],
        "Assign": {"why": "{% $states.errorOutput.Error %}"},
        "Output": "{% $parse($states.errorOutput.Cause).errorMessage %}",
        "Next": "End",
    }
    call = invoke(function('fail("RatesStale", "three days old")'), Catch=[catch], Next="End")
    ended = machine({"Call": call, "End": {**PASS, "Output": "{% [$why, $states.input] %}"}}).run()
    assert ended["output"] == ["RatesStale", "three days old"]


def test_retry_backs_off_up_to_its_longest_delay(machine: Machine, function: Function) -> None:
    retry = {"ErrorEquals": ["Busy"], "IntervalSeconds": 1, "BackoffRate": 10, "MaxAttempts": 2, "MaxDelaySeconds": 1}
    call = invoke(function('fail("Busy", "not now")'), {"try": "{% $states.context.State.RetryCount %}"}, Retry=[retry])
    night = machine({"Call": call})
    execution = night.start()
    assert night.end_of(execution)["error"] == "Busy"
    events = night.events(execution)
    tries = [json.loads(e["taskScheduledEventDetails"]["parameters"]) for e in events if e["type"] == "TaskScheduled"]
    assert [one["Payload"]["try"] for one in tries] == [0, 1, 2]
    times = [event["timestamp"] for event in events if event["type"] == "TaskScheduled"]
    assert all(timedelta(seconds=0.9) < later - earlier < timedelta(seconds=3) for earlier, later in itertools.pairwise(times))


def test_jitter_spreads_the_delay_from_nothing(machine: Machine, function: Function) -> None:
    retry = {"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "BackoffRate": 1, "MaxAttempts": 8, "JitterStrategy": "FULL"}
    night = machine({"Call": invoke(function('fail("Busy", "not now")'), Retry=[retry])})
    execution = night.start()
    night.end_of(execution)
    times = [event["timestamp"] for event in night.events(execution) if event["type"] == "TaskScheduled"]
    delays = [(later - earlier).total_seconds() for earlier, later in itertools.pairwise(times)]
    assert len(delays) == 8
    assert min(delays) < 0.8 and max(delays) - min(delays) > 0.1


@pytest.mark.parametrize(
    ("names", "caught"),
    [(["States.Timeout"], True), (["States.ALL"], True), (["States.TaskFailed"], False), (["States.HeartbeatTimeout"], False)],
)
def test_a_task_times_out_by_an_expression(machine: Machine, function: Function, names: list[str], caught: bool) -> None:
    catch = [{"ErrorEquals": names, "Output": "caught", "Next": "End"}]
    call = invoke(function("time.sleep(3)"), TimeoutSeconds="{% 2 - 1 %}", Catch=catch, Next="End")
    ended = machine({"Call": call, "End": PASS}).run()
    assert (ended["output"], ended.get("error")) == (("caught", None) if caught else (None, "States.Timeout"))


def test_a_failed_branch_stops_the_others_and_their_jobs(machine: Machine, emulator: Emulator, runner: FakeSparkRunner, name: str) -> None:
    glue = emulator.client("glue")
    glue.create_job(Name=name, Role="r", Command={"Name": "glueetl", "ScriptLocation": "s3://b/long.py"})
    runner.jobs[name] = lambda _request: time.sleep(6) or {"state": "SUCCEEDED"}
    job = {"Type": "Task", "Resource": "arn:aws:states:::glue:startJobRun.sync", "Arguments": {"JobName": name}, "End": True}
    fails_soon = branch(Wait=wait(1, Next="Bad"), Bad=FAIL)
    both = {"Type": "Parallel", "Branches": [branch(Job=job), fails_soon, branch(Long=wait(60))], "End": True}
    night = machine({"Both": both})
    began = time.monotonic()
    execution = night.start()
    ended = night.end_of(execution)
    assert time.monotonic() - began < 5
    assert (ended["error"], ended["cause"]) == ("Broken", "on purpose")
    assert {"TaskStateAborted", "WaitStateAborted", "ParallelStateFailed"} <= set(night.kinds(execution))
    assert glue.get_job_runs(JobName=name)["JobRuns"][0]["JobRunState"] == "STOPPED"


def test_a_caught_parallel_goes_on(machine: Machine) -> None:
    catch = [{"ErrorEquals": ["Broken"], "Output": "{% $states.errorOutput %}", "Next": "End"}]
    night = machine({"Both": {"Type": "Parallel", "Branches": [branch(Bad=FAIL)], "Catch": catch, "Next": "End"}, "End": PASS})
    assert night.run()["output"] == {"Error": "Broken", "Cause": "on purpose"}


def test_the_history_shows_the_states_inside_branches(machine: Machine, function: Function) -> None:
    one = branch(Call=invoke(function('{"n": 1}'), Next="After"), After=PASS)
    both = {"Type": "Parallel", "Branches": [one, branch(Pause=wait(4))], "Assign": {"n": 1}, "Output": {}, "End": True}
    night = machine({"Both": both})
    execution = night.start()
    night.end_of(execution)
    events = {event["id"]: event for event in night.events(execution)}
    assert list(events) == list(range(1, len(events) + 1))
    started = next(event["id"] for event in events.values() if event["type"] == "ParallelStateStarted")

    def way(event: dict[str, Any]) -> list[str]:
        kinds = []
        while event["id"] != started:
            kinds.append(event["type"])
            event = events[event["previousEventId"]]
        return kinds[::-1]

    exits = {e["stateExitedEventDetails"]["name"]: e for e in events.values() if e["type"].endswith("StateExited")}
    called = ["TaskStateEntered", "TaskScheduled", "TaskStarted", "TaskSucceeded", "TaskStateExited"]
    assert way(exits["After"]) == [*called, "PassStateEntered", "PassStateExited"]
    assert way(exits["Pause"]) == ["WaitStateEntered", "WaitStateExited"]
    assert exits["Both"]["previousEventId"] == exits["Pause"]["id"]
    assert exits["Both"]["stateExitedEventDetails"]["assignedVariables"] == {"n": "1"}
    assert exits["Both"]["timestamp"] - exits["Call"]["timestamp"] > timedelta(seconds=0.5)


def test_an_execution_times_out(machine: Machine) -> None:
    night = machine({"Long": wait(60)}, TimeoutSeconds=1)
    execution = night.start()
    assert night.end_of(execution)["status"] == "TIMED_OUT"
    assert night.kinds(execution)[-1] == "ExecutionTimedOut"


def test_a_stopped_execution_stops_at_once(machine: Machine) -> None:
    night = machine({"Long": wait(60, Next="After"), "After": PASS})
    execution = night.start()
    wait_until(lambda: "WaitStateEntered" in night.kinds(execution))
    night.sfn.stop_execution(executionArn=execution, error="Ctrl-C", cause="by hand")
    ended = night.end_of(execution)
    assert (ended["status"], ended["error"], ended["cause"]) == ("ABORTED", "Ctrl-C", "by hand")
    assert night.kinds(execution)[-1] == "ExecutionAborted"


def test_starting_the_same_execution_twice_starts_it_once(machine: Machine, name: str) -> None:
    night = machine({"Short": wait(1)})
    first = night.start({"a": 1}, name=name)
    assert night.start({"a": 1}, name=name) == first
    with pytest.raises(night.sfn.exceptions.ExecutionAlreadyExists):
        night.start({"a": 2}, name=name)
    night.end_of(first)
    with pytest.raises(night.sfn.exceptions.ExecutionAlreadyExists):
        night.start({"a": 1}, name=name)


def test_input_that_is_no_json_starts_nothing(machine: Machine) -> None:
    night = machine({"Only": PASS})
    with pytest.raises(night.sfn.exceptions.InvalidExecutionInput):
        night.sfn.start_execution(stateMachineArn=night.arn, input="{")


def test_a_missing_function_fails_by_name(machine: Machine) -> None:
    assert machine({"Call": invoke("nobody")}).run()["error"] == "Lambda.ResourceNotFoundException"
