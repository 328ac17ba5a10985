"""Judges a table by DQDL rules, as the open-source engine behind Glue Data Quality does (tests/dqdl-cases.json holds its answers).

What it doesn't know it can't pass: an unknown rule, a malformed one, a condition that makes no sense for it, an SQL error are ERROR.
A column that isn't there, or a table without rows to measure, is FAIL. `between` excludes its bounds, and null fits no value.

All rules that are plain aggregates are measured in one Spark job, the others in one job each, rules over the same columns together.
"""

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import Any

from py4j.protocol import Py4JError, Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_runner.dqdl.syntax import CompositeRule, Condition, Keyword, MalformedRule, Operand, Rule, SimpleRule


class Outcome(Enum):
    """How a rule was judged."""

    PASS = "PASS"
    FAIL = "FAIL"
    ERROR = "ERROR"


@dataclass(frozen=True)
class RuleOutcome:
    """How a rule was judged, why it did not pass, and what was measured, by the metric names of Glue."""

    outcome: Outcome
    message: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)


class Evaluator:
    """Judges one table. CustomSql sees it as `primary`, and each reference table by its alias: views of the table's session."""

    def __init__(self, table: DataFrame, references: Mapping[str, DataFrame] | None = None) -> None:
        self._table = table
        self._references = references or {}
        self._session = table.sparkSession
        for alias, view in {**self._references, "primary": table}.items():
            view.createOrReplaceTempView(alias)
        self._groupings: dict[tuple[tuple[str, ...], str | None], _Grouping] = {}

    def judge(self, rules: list[Rule]) -> list[RuleOutcome]:
        """One outcome for each rule."""
        leaves = {leaf: None for rule in rules for leaf in _leaves(rule)}
        planned: dict[SimpleRule, _Measure] = {}
        outcomes: dict[SimpleRule, RuleOutcome] = {}
        for leaf in leaves:
            try:
                step = self._plan(leaf)
                if isinstance(step, _Measure):
                    planned[leaf] = step
                else:
                    outcomes[leaf] = step
            except (_NotJudged, *_SPARK_ERRORS) as error:
                outcomes[leaf] = _outcome_of(error)
        outcomes.update(self._measured(planned))
        return [_composed(rule, outcomes) for rule in rules]

    def _measured(self, planned: "dict[SimpleRule, _Measure]") -> dict[SimpleRule, RuleOutcome]:
        """All measures in one pass; where Spark refuses the pass, each for itself, so that only the culprit is an ERROR."""
        if not planned:
            return {}
        try:
            columns = [column for measure in planned.values() for column in measure.aggregates]
            values = iter(self._table.agg(*[column.alias(f"m{index}") for index, column in enumerate(columns)]).first())
            return {rule: _judged(measure, [next(values) for _ in measure.aggregates]) for rule, measure in planned.items()}
        except _SPARK_ERRORS as error:
            if len(planned) == 1:
                return dict.fromkeys(planned, _outcome_of(error))
            return {rule: outcome for one in planned.items() for rule, outcome in self._measured(dict([one])).items()}

    def _plan(self, rule: SimpleRule) -> "_Measure | RuleOutcome":
        kind = _RULES.get(rule.type)
        if kind is None:
            raise _NotJudged(Outcome.ERROR, f"the rule {rule.type} is not known here")
        kind.check(rule)
        for column in rule.parameters if kind.names_columns else ():
            if column not in self._table.columns:
                raise _NotJudged(Outcome.FAIL, f"Column {column} does not exist in the table")
        return kind.plan(self, rule)

    def _scope(self, rule: SimpleRule) -> Column:
        return F.expr(rule.where) if rule.where else F.lit(True)

    def row_count(self, rule: SimpleRule) -> "_Measure":
        return _Measure([F.count_if(self._scope(rule))], lambda count: _compared(rule, "Dataset.*.RowCount", count))

    def column_count(self, rule: SimpleRule) -> RuleOutcome:
        return _compared(rule, "Dataset.*.ColumnCount", len(self._table.columns))

    def column_exists(self, rule: SimpleRule) -> RuleOutcome:
        exists = rule.parameters[0] in self._table.columns
        return (
            RuleOutcome(Outcome.PASS) if exists else RuleOutcome(Outcome.FAIL, f"Column {rule.parameters[0]} does not exist in the table")
        )

    def completeness(self, rule: SimpleRule) -> "_Measure":
        column = rule.parameters[0]
        return self._ratio(rule, _name(column).isNotNull(), f"Column.{column}.Completeness")

    def column_values(self, rule: SimpleRule) -> "_Measure":
        column = rule.parameters[0]
        fits = _fits(_name(column), rule.condition)
        return self._ratio(rule, fits, f"Column.{column}.ColumnValues.Compliance", bound=rule.threshold)

    def column_length(self, rule: SimpleRule) -> "_Measure":
        column = rule.parameters[0]
        length = F.coalesce(F.length(_name(column)), F.lit(0))
        return self._ratio(rule, _fits(length, rule.condition), f"Column.{column}.LengthCompliance", bound=rule.threshold)

    def aggregate(self, rule: SimpleRule) -> "_Measure":
        column = rule.parameters[0]
        function = {"Sum": F.sum, "Mean": F.avg, "StandardDeviation": F.stddev_pop}[rule.type]
        measured = function(F.when(self._scope(rule), _name(column)))
        return _Measure([measured], lambda value: _compared(rule, f"Column.{column}.{rule.type}", value))

    def grouped(self, rule: SimpleRule) -> RuleOutcome:
        columns = rule.parameters
        groups = self._grouping(columns, rule.where)
        prefix = f"Column.{columns[0]}" if len(columns) == 1 else "Multicolumn." + ",".join(columns)
        match rule.type:
            case "DistinctValuesCount":
                return _compared(rule, f"{prefix}.DistinctValuesCount", groups.distinct)
            case "Entropy":
                return _compared(rule, f"{prefix}.Entropy", groups.entropy)
            case "UniqueValueRatio":
                return _compared(rule, f"{prefix}.UniqueValueRatio", groups.share(groups.single, groups.distinct))
            case "IsPrimaryKey":
                complete = groups.share(groups.all_rows - groups.rows_with_null, groups.all_rows)
                unique = groups.share(groups.single, groups.rows)
                metrics = {f"{prefix}.Completeness": complete, f"{prefix}.Uniqueness": unique}
                return _bounded(None, metrics) if None not in metrics.values() else _no_value()
        return _compared(rule, f"{prefix}.Uniqueness", groups.share(groups.single, groups.rows))

    def referential_integrity(self, rule: SimpleRule) -> RuleOutcome:
        columns = [column.strip() for column in rule.parameters[0].split(",")]
        alias, _, names = rule.parameters[1].partition(".")
        reference_columns = [name.strip() for name in names.strip("{}").split(",")]
        reference = self._reference(alias).select(*[_name(name).alias(f"reference_{i}") for i, name in enumerate(reference_columns)])
        matches = [_name(column) == F.col(f"reference_{i}") for i, column in enumerate(columns)]
        rows = self._table.count()
        matched = self._table.join(reference.distinct(), on=matches, how="left_semi").count()
        return _compared(rule, f"Column.{rule.parameters[1]}.ReferentialIntegrity", matched / rows if rows else None)

    def row_count_match(self, rule: SimpleRule) -> RuleOutcome:
        alias = rule.parameters[0]
        rows = self._reference(alias).count()
        return _compared(rule, f"Dataset.{alias}.RowCountMatch", self._table.count() / rows if rows else None)

    def custom_sql(self, rule: SimpleRule) -> RuleOutcome:
        answer = self._session.sql(rule.parameters[0]).take(2)
        if len(answer) != 1 or len(answer[0]) != 1:
            raise _NotJudged(Outcome.ERROR, "the statement has to answer one row of one column")
        return _compared(rule, "Dataset.*.CustomSQL", answer[0][0])

    def _reference(self, alias: str) -> DataFrame:
        if alias not in self._references:
            raise _NotJudged(Outcome.ERROR, f"there is no reference table {alias}")
        return self._references[alias]

    def _ratio(self, rule: SimpleRule, holds: Column, metric: str, bound: Condition | None = None) -> "_Measure":
        """Rows that hold over rows looked at: all of them, unless the rule sets a bound."""
        scope = self._scope(rule)
        bound = rule.condition if rule.type == "Completeness" else bound

        def judge(held: int, rows: int) -> RuleOutcome:
            if not rows:
                # Of no row, none breaks a compliance; a least or a greatest value there is not.
                vacuous = rule.where and rule.type == "ColumnValues" and not _is_numeric_comparison(rule.condition)
                return RuleOutcome(Outcome.PASS) if vacuous else _no_value()
            return _bounded(bound, {metric: held / rows})

        return _Measure([F.count_if(scope & holds), F.count_if(scope)], judge)

    def _grouping(self, columns: tuple[str, ...], where: str | None) -> "_Grouping":
        key = (columns, where)
        if key not in self._groupings:
            self._groupings[key] = _Grouping.of(self._table.where(where) if where else self._table, columns)
        return self._groupings[key]


@dataclass(frozen=True)
class _Measure:
    """Aggregates of the table, and what their values mean for the rule."""

    aggregates: list[Column]
    judge: Callable[..., RuleOutcome]


@dataclass(frozen=True)
class _Grouping:
    """How often each value of some columns occurs. `rows` are those with a value in at least one of them."""

    all_rows: int
    rows_with_null: int
    rows: int
    distinct: int
    single: int
    entropy: float | None

    @classmethod
    def of(cls, table: DataFrame, columns: tuple[str, ...]) -> "_Grouping":
        names = [_name(column) for column in columns]
        has_value, has_null = F.lit(False), F.lit(False)
        for name in names:
            has_value, has_null = has_value | name.isNotNull(), has_null | name.isNull()
        groups = table.select(
            *[name.alias(f"value_{i}") for i, name in enumerate(names)], has_value.alias("is_value"), has_null.alias("is_null")
        )
        counted = groups.groupBy(*groups.columns).agg(F.count(F.lit(1)).alias("rows"))
        rows_of_values = F.when(F.col("is_value"), F.col("rows"))
        figures = counted.agg(
            F.sum("rows"),
            F.sum(F.when(F.col("is_null"), F.col("rows"))),
            F.sum(rows_of_values),
            F.count_if(F.col("is_value")),
            F.count_if(F.col("is_value") & (F.col("rows") == 1)),
            # With n rows in groups of c: Σ -(c/n) ln (c/n) = ln n - (Σ c ln c) / n
            F.sum(rows_of_values * F.log(rows_of_values)),
        ).first()
        all_rows, rows_with_null, rows, distinct, single, weighted = (value or 0 for value in figures)
        return cls(all_rows, rows_with_null, rows, distinct, single, math.log(rows) - weighted / rows if rows else None)

    def share(self, part: int, whole: int) -> float | None:
        return part / whole if whole else None


class _NotJudged(Exception):
    def __init__(self, outcome: Outcome, message: str) -> None:
        super().__init__(message)
        self.outcome = outcome


@dataclass(frozen=True)
class _RuleType:
    """Which parts a rule of this type has."""

    plan: Callable[[Evaluator, SimpleRule], _Measure | RuleOutcome]
    parameters: range = range(1, 2)
    condition: bool = True
    names_columns: bool = True
    takes_values: bool = False
    takes_where: bool = True
    takes_threshold: bool = False

    def check(self, rule: SimpleRule) -> None:
        if len(rule.parameters) not in self.parameters:
            raise _NotJudged(Outcome.ERROR, f"{rule.type} does not take {len(rule.parameters)} parameters")
        if (rule.condition is not None) != self.condition:
            raise _NotJudged(Outcome.ERROR, f"{rule.type} {'needs a' if self.condition else 'takes no'} condition")
        if rule.where is not None and not self.takes_where:
            raise _NotJudged(Outcome.ERROR, f"{rule.type} takes no where")
        if rule.threshold is not None and not self.takes_threshold:
            raise _NotJudged(Outcome.ERROR, f"{rule.type} takes no threshold")
        numeric = [condition for condition in (None if self.takes_values else rule.condition, rule.threshold) if condition]
        if any(not isinstance(operand, Decimal) for condition in numeric for operand in condition.operands):
            raise _NotJudged(Outcome.ERROR, f"{rule.type} is compared with numbers only")
        ordered = rule.condition.operands if rule.condition and rule.condition.operator in _ORDERED else ()
        if any(isinstance(operand, Keyword) for operand in ordered):
            raise _NotJudged(Outcome.ERROR, f"{rule.condition.operator} takes no keyword")


# What Spark refuses before it runs, and what fails while it runs.
_SPARK_ERRORS = (PySparkException, Py4JError)

_COMPARISONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_ORDERED = (">", ">=", "<", "<=", "between", "not between")
_MANY = range(1, 100)

_RULES = {
    "RowCount": _RuleType(Evaluator.row_count, parameters=range(1), names_columns=False),
    "ColumnCount": _RuleType(Evaluator.column_count, parameters=range(1), names_columns=False, takes_where=False),
    "ColumnExists": _RuleType(Evaluator.column_exists, condition=False, takes_where=False),
    "IsComplete": _RuleType(Evaluator.completeness, condition=False),
    "Completeness": _RuleType(Evaluator.completeness),
    "ColumnValues": _RuleType(Evaluator.column_values, takes_values=True, takes_threshold=True),
    "ColumnLength": _RuleType(Evaluator.column_length, takes_threshold=True),
    "Sum": _RuleType(Evaluator.aggregate),
    "Mean": _RuleType(Evaluator.aggregate),
    "StandardDeviation": _RuleType(Evaluator.aggregate),
    "IsUnique": _RuleType(Evaluator.grouped, parameters=_MANY, condition=False),
    "IsPrimaryKey": _RuleType(Evaluator.grouped, parameters=_MANY, condition=False),
    "Uniqueness": _RuleType(Evaluator.grouped, parameters=_MANY),
    "UniqueValueRatio": _RuleType(Evaluator.grouped, parameters=_MANY),
    "DistinctValuesCount": _RuleType(Evaluator.grouped, parameters=_MANY),
    "Entropy": _RuleType(Evaluator.grouped),
    "ReferentialIntegrity": _RuleType(Evaluator.referential_integrity, parameters=range(2, 3), names_columns=False, takes_where=False),
    "RowCountMatch": _RuleType(Evaluator.row_count_match, names_columns=False, takes_where=False),
    "CustomSql": _RuleType(Evaluator.custom_sql, names_columns=False, takes_where=False),
}


def _name(column: str) -> Column:
    return F.col(f"`{column}`")


def _fits(value: Column, condition: Condition) -> Column:
    """Whether a value fits; null fits only what lets it in: `= NULL`, `in [NULL]`, or being unlike every value that is listed."""
    operands = [F.lit(operand) for operand in condition.operands if not isinstance(operand, Keyword)]
    match condition.operator:
        case "=" | "in":
            return _is_any(value, condition.operands)
        case "!=" | "not in":
            return ~_is_any(value, condition.operands)
        case "matches":
            fits = value.rlike(f"^(?:{condition.operands[0]})$")
        case "not matches":
            fits = ~value.rlike(f"^(?:{condition.operands[0]})$")
        case "between":
            fits = (value > operands[0]) & (value < operands[1])
        case "not between":
            fits = (value <= operands[0]) | (value >= operands[1])
        case _:
            fits = _COMPARISONS[condition.operator](value, operands[0])
    return F.coalesce(fits, F.lit(False))


def _is_any(value: Column, operands: tuple[Operand, ...]) -> Column:
    tests = {
        Keyword.NULL: value.isNull(),
        Keyword.EMPTY: value == "",
        Keyword.WHITESPACES_ONLY: value.rlike(r"^\s+$"),
    }
    is_any = F.lit(False)
    for operand in operands:
        test = tests[operand] if isinstance(operand, Keyword) else value == F.lit(operand)
        is_any = is_any | F.coalesce(test, F.lit(False))
    return is_any


def _is_numeric_comparison(condition: Condition) -> bool:
    return condition.operator in ("=", ">", ">=", "<", "<=", "between") and isinstance(condition.operands[0], Decimal)


def _compared(rule: SimpleRule, metric: str, value: float | Decimal | None) -> RuleOutcome:
    return _no_value() if value is None else _bounded(rule.condition, {metric: float(value)})


def _bounded(condition: Condition | None, metrics: dict[str, float]) -> RuleOutcome:
    """Every metric has to meet the condition; without one, all of a share."""
    meets = _meets(condition) if condition else lambda value: value == 1.0
    missed = [value for value in metrics.values() if not meets(value)]
    if not missed:
        return RuleOutcome(Outcome.PASS, metrics=metrics)
    return RuleOutcome(Outcome.FAIL, f"Value: {missed[0]} does not meet the constraint requirement!", metrics)


def _meets(condition: Condition) -> Callable[[float], bool]:
    bounds = [float(operand) for operand in condition.operands]
    match condition.operator:
        case "between":
            return lambda value: bounds[0] < value < bounds[1]
        case "not between":
            return lambda value: not bounds[0] < value < bounds[1]
        case "in":
            return lambda value: value in bounds
        case "not in":
            return lambda value: value not in bounds
    return lambda value: _COMPARISONS[condition.operator](value, bounds[0])


def _no_value() -> RuleOutcome:
    return RuleOutcome(Outcome.FAIL, "There is no row to measure")


def _outcome_of(error: Exception) -> RuleOutcome:
    outcome = error.outcome if isinstance(error, _NotJudged) else Outcome.ERROR
    message = str(error.java_exception) if isinstance(error, Py4JJavaError) else str(error)
    return RuleOutcome(outcome, message.strip().partition("\n")[0])


def _judged(measure: _Measure, values: list[Any]) -> RuleOutcome:
    return measure.judge(*values)


def _leaves(rule: Rule) -> list[SimpleRule]:
    match rule:
        case SimpleRule():
            return [rule]
        case CompositeRule():
            return [leaf for part in rule.rules for leaf in _leaves(part)]
    return []


def _composed(rule: Rule, outcomes: Mapping[SimpleRule, RuleOutcome]) -> RuleOutcome:
    """A composite with a part in ERROR is an ERROR, whatever the other parts say."""
    match rule:
        case SimpleRule():
            return outcomes[rule]
        case MalformedRule():
            return RuleOutcome(Outcome.ERROR, rule.message)
    parts = [_composed(part, outcomes) for part in rule.rules]
    metrics = {name: value for part in parts for name, value in part.metrics.items()}
    if any(part.outcome is Outcome.ERROR for part in parts):
        outcome = Outcome.ERROR
    else:
        combine = all if rule.operator == "and" else any
        outcome = Outcome.PASS if combine(part.outcome is Outcome.PASS for part in parts) else Outcome.FAIL
    message = "" if outcome is Outcome.PASS else "; ".join(part.message for part in parts if part.message)
    return RuleOutcome(outcome, message, metrics)
