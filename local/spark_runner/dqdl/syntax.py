"""Reads a DQDL ruleset into rules. AWS Glue developer guide, "Data Quality Definition Language (DQDL) reference".

A rule that can't be read becomes a `MalformedRule` and the rules around it stay. A ruleset whose frame can't be read is refused.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum


class RulesetSyntaxError(Exception):
    """What is wrong, and at which line and column."""


class Keyword(Enum):
    """The values that are not written as numbers or texts."""

    NULL = "NULL"
    EMPTY = "EMPTY"
    WHITESPACES_ONLY = "WHITESPACES_ONLY"


Operand = Decimal | str | Keyword


@dataclass(frozen=True)
class Condition:
    """What a measured value is held against: `between 1 and 5` has the operator `between` and two operands."""

    operator: str
    operands: tuple[Operand, ...]


@dataclass(frozen=True)
class SimpleRule:
    """`ColumnValues "quantity" > 0 where "currency = 'EUR'" with threshold >= 0.9`."""

    text: str
    type: str
    parameters: tuple[str, ...] = ()
    condition: Condition | None = None
    where: str | None = None
    threshold: Condition | None = None


@dataclass(frozen=True)
class CompositeRule:
    """`(RowCount > 0) and (IsComplete "order_id")`."""

    text: str
    operator: str
    rules: "tuple[Rule, ...]"


@dataclass(frozen=True)
class MalformedRule:
    """A rule that can't be read, and why, with line and column."""

    text: str
    message: str


Rule = SimpleRule | CompositeRule | MalformedRule


def parse(ruleset: str) -> list[Rule]:
    """The rules of `Rules = [ … ]`, in order."""
    return _Parser(ruleset).ruleset()


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    start: int
    end: int


_TOKEN = re.compile(
    r"""
    (?P<blank>\s+|\#[^\n]*)
  | (?P<string>"(?:\\.|[^"\\])*")
  | (?P<number>-?\d+(?:\.\d+)?)
  | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<symbol>>=|<=|!=|[><=\[\](),])
  | (?P<unknown>.)
    """,
    re.VERBOSE | re.DOTALL,
)


def _tokens(text: str) -> Iterator[_Token]:
    for match in _TOKEN.finditer(text):
        if match.lastgroup != "blank":
            yield _Token(match.lastgroup or "unknown", match.group(), match.start(), match.end())
    yield _Token("end", "", len(text), len(text))


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(_tokens(text))
        self._next = 0

    def ruleset(self) -> list[Rule]:
        self._word("Rules")
        self._symbol("=")
        self._symbol("[")
        rules: list[Rule] = []
        while not self._at("]"):
            rules.append(self._listed_rule())
            if not self._at("]"):
                self._symbol(",")
        self._symbol("]")
        if self._peek().kind != "end":
            raise self._expected("the end of the ruleset")
        if not rules:
            raise RulesetSyntaxError("line 1, column 1: the ruleset has no rule")
        return rules

    def _listed_rule(self) -> Rule:
        first = self._next
        try:
            rule = self._rule()
            if not (self._at(",") or self._at("]")):
                raise self._expected("«,» or «]» after the rule")
            return rule
        except RulesetSyntaxError as error:
            self._next = first
            self._skip_rule()
            return MalformedRule(self._text_since(first), str(error))

    def _skip_rule(self) -> None:
        """Goes on to the comma or bracket that ends the rule."""
        depth = 0
        while depth or not (self._at(",") or self._at("]")):
            token = self._take()
            if token.kind == "end":
                raise RulesetSyntaxError(f"{self._place(token)}: the ruleset ends within a rule")
            depth += (token.text in ("(", "[")) - (token.text in (")", "]"))
            depth = max(depth, 0)

    def _rule(self) -> Rule:
        first = self._next
        rules = [self._operand_rule()]
        operator = None
        while self._peek().text.lower() in ("and", "or"):
            word = self._take()
            if operator not in (None, word.text.lower()):
                raise RulesetSyntaxError(f"{self._place(word)}: «and» and «or» side by side need parentheses")
            operator = word.text.lower()
            rules.append(self._operand_rule())
        return CompositeRule(self._text_since(first), operator, tuple(rules)) if operator else rules[0]

    def _operand_rule(self) -> Rule:
        if not self._at("("):
            return self._simple_rule()
        self._symbol("(")
        rule = self._rule()
        self._symbol(")")
        return rule

    def _simple_rule(self) -> SimpleRule:
        first = self._next
        name = self._kind("word", "a rule").text
        parameters = []
        while self._peek().kind == "string":
            parameters.append(self._string())
        condition = self._condition() if self._starts_condition() else None
        where = threshold = None
        if self._at("where"):
            self._take()
            where = self._string()
        if self._at("with"):
            self._take()
            self._word("threshold")
            threshold = self._condition()
        return SimpleRule(self._text_since(first), name, tuple(parameters), condition, where, threshold)

    def _starts_condition(self) -> bool:
        return self._peek().text.lower() in (">", ">=", "<", "<=", "=", "!=", "not", "between", "in", "matches")

    def _condition(self) -> Condition:
        negation = ""
        if self._at("not"):
            self._take()
            negation = "not "
        token = self._take()
        match token.text.lower():
            case "between":
                lower = self._value()
                self._word("and")
                return Condition(negation + "between", (lower, self._value()))
            case "in":
                return Condition(negation + "in", tuple(self._values()))
            case "matches":
                return Condition(negation + "matches", (self._string(),))
            case ">" | ">=" | "<" | "<=" | "=" | "!=" as operator if not negation:
                return Condition(operator, (self._value(),))
        self._next -= 1
        raise self._expected("a condition")

    def _values(self) -> Iterator[Operand]:
        self._symbol("[")
        yield self._value()
        while not self._at("]"):
            self._symbol(",")
            yield self._value()
        self._symbol("]")

    def _value(self) -> Operand:
        token = self._peek()
        if token.kind == "string":
            return self._string()
        if token.kind == "number":
            return Decimal(self._take().text)
        if token.kind == "word" and token.text in Keyword.__members__:
            return Keyword[self._take().text]
        raise self._expected("a number, a text in quotes, NULL, EMPTY or WHITESPACES_ONLY")

    def _string(self) -> str:
        return re.sub(r'\\(["\\])', r"\1", self._kind("string", "a text in quotes").text[1:-1])

    def _word(self, word: str) -> None:
        if not self._at(word):
            raise self._expected(f"«{word}»")
        self._take()

    _symbol = _word

    def _kind(self, kind: str, meaning: str) -> _Token:
        if self._peek().kind != kind:
            raise self._expected(meaning)
        return self._take()

    def _at(self, text: str) -> bool:
        token = self._peek()
        return token.kind in ("word", "symbol") and token.text == text

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._tokens[self._next]
        self._next = min(self._next + 1, len(self._tokens) - 1)
        return token

    def _text_since(self, first: int) -> str:
        return self._text[self._tokens[first].start : self._tokens[max(first, self._next - 1)].end]

    def _expected(self, what: str) -> RulesetSyntaxError:
        token = self._peek()
        found = f"«{token.text}»" if token.text else "the end"
        return RulesetSyntaxError(f"{self._place(token)}: {what} was expected, found {found}")

    def _place(self, token: _Token) -> str:
        before = self._text[: token.start]
        return f"line {before.count(chr(10)) + 1}, column {token.start - before.rfind(chr(10))}"
