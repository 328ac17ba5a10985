"""Quality runs: a ruleset on a table's files, answered in the shape of Glue's GetDataQualityResult."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from spark_runner.dqdl import Evaluator, Outcome, parse
from spark_runner.session import mount_buckets


class QualityRequest(NamedTuple):
    """A ruleset and the files that it is held against; `partition` holds the columns that the files' address stands for."""

    ruleset: str
    ruleset_name: str
    location: str
    partition: dict[str, str]

    @classmethod
    def parse(cls, body: dict[str, Any]) -> "QualityRequest":
        """Raises ValueError, naming what is missing."""
        try:
            partition = {str(name): str(value) for name, value in dict(body.get("partition") or {}).items()}
            return cls(str(body["ruleset"]), str(body.get("rulesetName", "")), str(body["location"]), partition)
        except KeyError as missing:
            raise ValueError(f"the request has no {missing.args[0]}") from None


def judge(session: SparkSession, buckets: Path, request: QualityRequest) -> dict[str, Any]:
    """Raises RulesetSyntaxError for a ruleset that can't be read."""
    started_on = datetime.now(UTC)
    rules = parse(request.ruleset)
    mount_buckets(session, buckets)
    table = session.newSession().read.parquet(request.location)
    for column, value in request.partition.items():
        table = table.withColumn(column, F.lit(value))
    outcomes = Evaluator(table).judge(rules)
    results = []
    for number, (rule, outcome) in enumerate(zip(rules, outcomes, strict=True), start=1):
        result = {
            "Name": f"Rule_{number}",
            "Description": rule.text,
            "Result": outcome.outcome.value,
            "EvaluatedMetrics": dict(outcome.metrics),
        }
        results.append(result | ({"EvaluationMessage": outcome.message} if outcome.message else {}))
    passed = sum(outcome.outcome is Outcome.PASS for outcome in outcomes)
    return {
        "Score": passed / len(outcomes),
        "RulesetName": request.ruleset_name,
        "StartedOn": started_on.isoformat(),
        "CompletedOn": datetime.now(UTC).isoformat(),
        "RuleResults": results,
    }
