"""Reads the metrics that a function writes into its log, and hands them to CloudWatch.

AWS ("Specification: Embedded metric format" in CloudWatch's user guide): a line of JSON whose `_aws` names metrics is a
line of the log and data of these metrics. MiniStack 1.5.33 keeps the line and reads nothing in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ministack.core.responses import set_request_account_id, set_request_region
from ministack.services import cloudwatch


@dataclass(frozen=True)
class Datum:
    """One value of one metric."""

    namespace: str
    name: str
    dimensions: Mapping[str, str]
    unit: str
    timestamp: float
    value: float


def read(line: bytes) -> list[Datum]:
    """Every value in a line; none in one that is not in the format."""
    if b'"_aws"' not in line:
        return []
    try:
        return list(_data(json.loads(line)))
    except (ValueError, KeyError, TypeError, AttributeError):
        # CloudWatch takes a malformed line as a line of the log, and as nothing else.
        return []


def store(line: bytes, function_arn: str) -> None:
    """Hand the line's metrics to CloudWatch, in the function's account and region."""
    data = read(line)
    if not data:
        return
    _, _, _, region, account, *_ = function_arn.split(":")
    # Each reader of a log is a thread of its own, and has these to itself.
    set_request_account_id(account)
    set_request_region(region)
    for datum in data:
        cloudwatch._store_datum(
            datum.namespace, datum.name, dict(datum.dimensions), datum.timestamp, datum.unit, datum.value, None, None, None
        )


def _data(root: Mapping[str, Any]) -> Iterator[Datum]:
    about = root["_aws"]
    for directive in about["CloudWatchMetrics"]:
        for names in directive["Dimensions"]:
            dimensions = {name: root[name] for name in names}
            for metric in directive["Metrics"]:
                value = root[metric["Name"]]
                for one in value if isinstance(value, list) else [value]:
                    unit = metric.get("Unit", "None")
                    yield Datum(directive["Namespace"], metric["Name"], dimensions, unit, about["Timestamp"] / 1000, float(one))
