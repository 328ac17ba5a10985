"""DQDL as the open-source engine behind Glue Data Quality judges it: dqdl-cases.json holds what that engine answered."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from spark_runner.dqdl import Evaluator, Outcome, RuleOutcome, RulesetSyntaxError, parse
from spark_runner.dqdl.syntax import CompositeRule, MalformedRule, SimpleRule

CASES = json.loads(Path(__file__).with_name("dqdl-cases.json").read_text())


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_recorded_answers_are_ours_too(spark: SparkSession, case: dict[str, Any]) -> None:
    references = {alias: table(spark, reference) for alias, reference in case["references"].items()}
    rules = [expected["rule"] for expected in case["expected"]]
    outcomes = judge(table(spark, case), rules, references)
    ours = {rule: outcome.outcome.value for rule, outcome in zip(rules, outcomes, strict=True)}
    assert ours == {expected["rule"]: expected["outcome"] for expected in case["expected"]}


def test_all_recorded_answers_are_there() -> None:
    assert sum(len(case["expected"]) for case in CASES) == 144


UNJUDGEABLE = [
    'IsNice "v"',
    "RowCount",
    'RowCount "v" > 0',
    "RowCount > avg(last(10))",
    'RowCount > "many"',
    'IsComplete "v" > 1',
    "IsComplete",
    'IsComplete "v" "w"',
    'ColumnValues "v"',
    'ColumnValues "v" > NULL',
    'ColumnValues "v" > 0 where "no such column > 1"',
    'ColumnValues "v" matches "("',
    'ColumnValues "v" between 1',
    'ColumnValues "v" in [1, ]',
    'ColumnValues "v" not > 1',
    'ColumnValues "v" > 0 with certainty > 1',
    'Completeness "v" >= 0.5 with threshold > 0.5',
    'DataFreshness "v" < 3 days',
    'ReferentialIntegrity "v" "nowhere.id" = 1.0',
    'RowCountMatch "nowhere" = 1.0',
    'CustomSql "select nothing from primary" = 0',
    'CustomSql "select v from primary where v > 0"',
    'CustomSql "select v from primary" > 0',
    'CustomSql "select v, v from primary limit 1" > 0',
    '(RowCount > 0) or (IsNice "v")',
    "(RowCount > 0) and (RowCount > 0) or (RowCount > 0)",
    'RowCount > 0 IsComplete "v"',
    "RowCount > 0 $",
    "> 0",
]


def test_what_is_unknown_or_malformed_is_an_error_and_spoils_no_other_rule(spark: SparkSession) -> None:
    numbers = spark.createDataFrame([(1,), (2,)], "v INT")
    before, *outcomes, after = judge(numbers, ["RowCount = 2", *UNJUDGEABLE, 'ColumnValues "v" > 0'])
    assert {rule: outcome.outcome for rule, outcome in zip(UNJUDGEABLE, outcomes, strict=True)} == dict.fromkeys(UNJUDGEABLE, Outcome.ERROR)
    assert all(outcome.message for outcome in outcomes)
    assert [before.outcome, after.outcome] == [Outcome.PASS, Outcome.PASS]


def test_failed_rules_say_what_was_measured(spark: SparkSession) -> None:
    letters = spark.createDataFrame([("a",), ("b",), ("b",), (None,)], "letter STRING")
    outcomes = judge(letters, ['Completeness "letter" >= 0.98', 'IsUnique "letter"', 'IsComplete "absent"'])
    assert outcomes == [
        RuleOutcome(Outcome.FAIL, "Value: 0.75 does not meet the constraint requirement!", {"Column.letter.Completeness": 0.75}),
        RuleOutcome(Outcome.FAIL, f"Value: {1 / 3} does not meet the constraint requirement!", {"Column.letter.Uniqueness": 1 / 3}),
        RuleOutcome(Outcome.FAIL, "Column absent does not exist in the table"),
    ]


def test_keys_of_several_columns(spark: SparkSession) -> None:
    lines = spark.createDataFrame([("a", 1), ("a", 2), ("b", 1)], "order_id STRING, line_number INT")
    (outcome,) = judge(lines, ['IsPrimaryKey "order_id" "line_number"'])
    assert outcome.outcome is Outcome.PASS
    (again,) = judge(lines.union(lines.limit(1)), ['IsPrimaryKey "order_id" "line_number"'])
    assert again.outcome is Outcome.FAIL


def test_between_excludes_its_bounds(spark: SparkSession) -> None:
    numbers = spark.createDataFrame([(1,), (5,)], "v INT")
    outcomes = judge(numbers, ['ColumnValues "v" between 1 and 6', 'ColumnValues "v" between 0 and 6', "RowCount between 1 and 2"])
    assert [outcome.outcome.value for outcome in outcomes] == ["FAIL", "PASS", "FAIL"]


def test_thresholds_let_some_rows_break_a_rule(spark: SparkSession) -> None:
    numbers = spark.createDataFrame([(1,), (2,), (3,), (-1,)], "v INT")
    rules = ['ColumnValues "v" > 0 with threshold >= 0.75', 'ColumnValues "v" > 0 with threshold > 0.75']
    assert [outcome.outcome.value for outcome in judge(numbers, rules)] == ["PASS", "FAIL"]


def test_rules_are_read_with_comments_escapes_and_composites() -> None:
    first, second = parse("""
        # The gate of the night.
        Rules = [
            ColumnValues "name" = "say \\"no\\"", # a comment
            (RowCount > 0) and ((IsComplete "a") or (IsComplete "b"))
        ]
    """)
    assert isinstance(first, SimpleRule) and first.condition and first.condition.operands == ('say "no"',)
    assert isinstance(second, CompositeRule) and second.operator == "and" and isinstance(second.rules[1], CompositeRule)
    assert second.text == '(RowCount > 0) and ((IsComplete "a") or (IsComplete "b"))'


def test_malformed_rules_name_line_and_column() -> None:
    (rule,) = parse("Rules = [\n  RowCount between 1 or 2\n]")
    assert rule == MalformedRule("RowCount between 1 or 2", "line 2, column 22: «and» was expected, found «or»")


@pytest.mark.parametrize(
    ("ruleset", "message"),
    [
        ("", "line 1, column 1: «Rules» was expected, found the end"),
        ("Rules = [ ]", "line 1, column 1: the ruleset has no rule"),
        ("Rules = [ RowCount > 0", "line 1, column 23: the ruleset ends within a rule"),
        ("Rules = [ RowCount > 0 ] ]", "line 1, column 26: the end of the ruleset was expected, found «]»"),
        ("Analyzers = [ RowCount ]", "line 1, column 1: «Rules» was expected, found «Analyzers»"),
    ],
)
def test_rulesets_without_a_readable_frame_are_refused(ruleset: str, message: str) -> None:
    with pytest.raises(RulesetSyntaxError, match="^" + re.escape(message) + "$"):
        parse(ruleset)


def judge(primary: DataFrame, rules: list[str], references: dict[str, DataFrame] | None = None) -> list[RuleOutcome]:
    return Evaluator(primary, references).judge(parse("Rules = [" + ",\n".join(rules) + "]"))


def table(spark: SparkSession, case: dict[str, Any]) -> DataFrame:
    return spark.createDataFrame([tuple(row) for row in case["rows"]], case["schema"])
