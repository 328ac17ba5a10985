"""The metrics that functions write into their logs are there for whoever asks CloudWatch."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from emulator import embedded_metrics
from emulator.tests.conftest import Emulator, wait_until

Function = Callable[..., str]


def line(metrics: dict[str, tuple[str, float]], at: float | None = None, **dimensions: str) -> dict[str, Any]:
    """A line in the embedded metric format."""
    described = [{"Name": name, "Unit": unit} for name, (unit, _) in metrics.items()]
    directive = {"Namespace": "NightlyWarehouse", "Dimensions": [list(dimensions)], "Metrics": described}
    about = {"Timestamp": int(1000 * (at or time.time())), "CloudWatchMetrics": [directive]}
    return {"_aws": about, **dimensions, **{name: value for name, (_, value) in metrics.items()}}


def test_a_line_of_metrics_is_data_of_these_metrics(emulator: Emulator, function: Function, name: str) -> None:
    ended = time.time() - 3600
    lines = [
        line({"Nights": ("Count", 1)}, ended, Stack=name, Outcome="PUBLISHED"),
        line({"NightSeconds": ("Seconds", 8040.5), "Dollars": ("None", 1.23)}, ended, Stack=name),
        line({"StepSeconds": ("Seconds", 90)}, ended, Stack=name, Step="extract-orders"),
    ]
    telling = function("[print(json.dumps(line), flush=True) for line in event['lines']] and {}")
    emulator.client("lambda").invoke(FunctionName=telling, Payload=json.dumps({"lines": lines}).encode())

    cloudwatch = emulator.client("cloudwatch")

    def listed() -> set[tuple[str, frozenset[tuple[str, str]]]]:
        found = cloudwatch.list_metrics(Namespace="NightlyWarehouse")["Metrics"]
        named = [(metric["MetricName"], {one["Name"]: one["Value"] for one in metric["Dimensions"]}) for metric in found]
        return {(metric, frozenset(apart.items())) for metric, apart in named if apart.get("Stack") == name}

    own = ("Stack", name)
    expected = {
        ("Nights", frozenset({own, ("Outcome", "PUBLISHED")})),
        ("NightSeconds", frozenset({own})),
        ("Dollars", frozenset({own})),
        ("StepSeconds", frozenset({own, ("Step", "extract-orders")})),
    }
    wait_until(lambda: listed() == expected)

    def query(number: int, metric: str, **dimensions: str) -> dict[str, Any]:
        apart = [{"Name": key, "Value": value} for key, value in {"Stack": name, **dimensions}.items()]
        about = {"Namespace": "NightlyWarehouse", "MetricName": metric, "Dimensions": apart}
        return {"Id": f"m{number}", "MetricStat": {"Metric": about, "Period": 86_400, "Stat": "Maximum"}}

    queries = [query(0, "NightSeconds"), query(1, "Dollars"), query(2, "StepSeconds", Step="extract-orders"), query(3, "Nights")]
    now = datetime.now(UTC)
    results = cloudwatch.get_metric_data(MetricDataQueries=queries, StartTime=now - timedelta(days=2), EndTime=now)["MetricDataResults"]
    assert {result["Id"]: result["Values"] for result in results} == {"m0": [8040.5], "m1": [1.23], "m2": [90.0], "m3": []}
    (point,) = cloudwatch.get_metric_statistics(
        Namespace="NightlyWarehouse",
        MetricName="Dollars",
        Dimensions=[{"Name": "Stack", "Value": name}],
        StartTime=datetime.fromtimestamp(ended - 60, UTC),
        EndTime=datetime.fromtimestamp(ended + 60, UTC),
        Period=60,
        Statistics=["Maximum"],
    )["Datapoints"]
    assert point["Maximum"] == 1.23, "it stands at its own time, and not at that of the reading"


@pytest.mark.parametrize(
    "text",
    [
        'not JSON, though it says "_aws"',
        '{"message": "nothing about metrics"}',
        '{"_aws": {}}',
        '{"_aws": {"Timestamp": 1, "CloudWatchMetrics": [{"Namespace": "N", "Dimensions": [["D"]], "Metrics": [{"Name": "M"}]}]}, "M": 1}',
        '{"_aws": {"Timestamp": 1, "CloudWatchMetrics": [{"Namespace": "N", "Dimensions": [[]], "Metrics": [{"Name": "M"}]}]}, "M": ""}',
    ],
)
def test_any_other_line_is_only_a_line(text: str) -> None:
    assert embedded_metrics.read(text.encode()) == []


def test_several_values_and_several_sets_of_dimensions_are_each_a_datum() -> None:
    written = line({"Nights": ("Count", 1)}, Stack="prod")
    written["Nights"] = [1, 2]
    written["_aws"]["CloudWatchMetrics"][0]["Dimensions"].append([])
    read = [(dict(datum.dimensions), datum.value, datum.unit) for datum in embedded_metrics.read(json.dumps(written).encode())]
    prod: dict[str, str] = {"Stack": "prod"}
    assert read == [(prod, 1.0, "Count"), (prod, 2.0, "Count"), ({}, 1.0, "Count"), ({}, 2.0, "Count")]
