"""JSONata as Step Functions evaluates it ("Transforming data with JSONata in Step Functions")."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import jsonata
from ministack.services import stepfunctions

from emulator.states.errors import StatesError

QUERY_ERROR = "States.QueryEvaluationError"
_LONGEST_EVALUATION_MILLIS = 5_000


class QueryEvaluationError(StatesError):
    """An expression failed or gave something that its field cannot take; `location` names the field."""

    def __init__(self, cause: str, location: str) -> None:
        super().__init__(QUERY_ERROR, cause)
        self.location = location
        self.recorded = False


@dataclass(frozen=True)
class Expressions:
    """What the fields of one state may read: the reserved `$states`, and the variables in scope."""

    where: str
    states: Mapping[str, Any]
    variables: Mapping[str, Any]

    def knowing(self, **known: Any) -> Expressions:
        """The same, with more members of `$states`: `result` or `errorOutput`."""
        return Expressions(self.where, {**self.states, **known}, self.variables)

    def evaluate(self, template: Any, location: str) -> Any:
        """A template's value: every `{% … %}` string in it is replaced by what it evaluates to."""
        if isinstance(template, str):
            if template.startswith("{%") and template.endswith("%}"):
                return self._value_of(template[2:-2].strip(), location)
            return template
        if isinstance(template, dict):
            return {key: self.evaluate(value, f"{location}/{key}") for key, value in template.items()}
        if isinstance(template, list):
            return [self.evaluate(value, f"{location}[{index}]") for index, value in enumerate(template)]
        return template

    def number(self, template: Any, location: str) -> int:
        """A field that must be a whole number that is not negative."""
        value = self._typed(template, location, "number")
        if value != int(value) or value < 0:
            raise self._error(f"The field '{location}' must be a whole number that is not negative, but was: {value}", location)
        return int(value)

    def string(self, template: Any, location: str) -> str:
        """A field that must be a string."""
        return self._typed(template, location, "string")

    def boolean(self, template: Any, location: str) -> bool:
        """A field that must be true or false."""
        return self._typed(template, location, "boolean")

    def array(self, template: Any, location: str) -> list[Any]:
        """A field that must be an array."""
        return self._typed(template, location, "array")

    def instant(self, template: Any, location: str) -> datetime:
        """A field that must be an instant with its offset, such as `2026-11-20T01:00:00Z`."""
        text = self.string(template, location)
        try:
            found = datetime.fromisoformat(text) if "T" in text else None
        except ValueError:
            found = None
        if found is None or found.tzinfo is None:
            raise self._error(
                f"The {location} field cannot be parsed as an ISO-8601 extended offset date-time format string: {text}", location
            )
        return found

    def _typed(self, template: Any, location: str, expected: str) -> Any:
        value = self.evaluate(template, location)
        found = _json_type(value)
        if found != expected:
            raise self._error(
                f"The JSONata expression '{_inside(template)}' specified for the field '{location}' returned an unexpected "
                f"result type. Expected '{expected}', but was '{found}' for value: {json.dumps(value, separators=(',', ':'))}",
                location,
            )
        return value

    def _value_of(self, expression: str, location: str) -> Any:
        bindings = {name: jsonata.utils.Utils.NULL_VALUE if value is None else value for name, value in self.variables.items()}
        bindings["states"] = self.states
        try:
            program = jsonata.Jsonata.jsonata(expression, timeout=_LONGEST_EVALUATION_MILLIS)
            _register_functions(program)
            value = program.evaluate(None, bindings)
        except Exception as problem:  # The engine raises its own exceptions and plain Python ones alike.
            code = getattr(problem, "error", None)
            message = f"{code}: {problem}" if isinstance(code, str) and code else str(problem)
            raise self._error(
                f"The JSONata expression '{expression}' specified for the field '{location}' threw an error during evaluation. {message}",
                location,
            ) from problem
        if value is None and not stepfunctions._jsonata_result_defined(expression, bindings):
            raise self._error(
                f"The JSONata expression '{expression}' specified for the field '{location}' returned nothing (undefined).",
                location,
            )
        try:
            return _plain(value)
        except TypeError:
            raise self._error(
                f"The JSONata expression '{expression}' specified for the field '{location}' returned an unsupported result type.",
                location,
            ) from None

    def _error(self, problem: str, location: str) -> QueryEvaluationError:
        return QueryEvaluationError(f"An error occurred while executing the state {self.where}. {problem}", location)


def _register_functions(program: Any) -> None:
    stepfunctions._register_sfn_jsonata_functions(program)
    program.register_lambda("eval", _no_eval)


def _no_eval(*_arguments: Any) -> Any:
    raise ValueError("$eval is not supported in Step Functions; use $parse to read JSON text.")


def _inside(template: Any) -> str:
    return template[2:-2].strip() if isinstance(template, str) and template.startswith("{%") else str(template)


def _plain(value: Any) -> Any:
    """JSON of its own: no engine types, no shared parts, and whole numbers without a decimal point."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 2**53 else value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, range)):
        return [_plain(item) for item in value]
    raise TypeError(type(value).__name__)


def _json_type(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"
