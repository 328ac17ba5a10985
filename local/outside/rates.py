"""Exchange rates of the European Central Bank, in the format of Frankfurter v1.

The history is real up to the day it was packed. After that its last week repeats, week after week on the same weekdays, so that every
later working day has rates, and the same day always has the same ones.
"""

import csv
import importlib.resources
import io
import math
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

PUBLISHED_BASE = "EUR"
WEEK = timedelta(days=7)
# Around a year's end the bank publishes nothing for up to five days.
LONGEST_BREAK_DAYS = 10


class NotFound(Exception):
    """The provider answers 404."""


class Unprocessable(Exception):
    """The provider answers 422 with this message."""


@dataclass(frozen=True)
class Day:
    """What one unit of the base buys on one day, every rate as the text that is published."""

    base: str
    date: date
    rates: Mapping[str, str]

    def without(self, code: str) -> "Day":
        return replace(self, rates={other: rate for other, rate in self.rates.items() if other != code})

    def as_json(self) -> str:
        """The rates are written as they are: a JSON library would turn them into binary numbers first."""
        rates = ",".join(f'"{code}":{rate}' for code, rate in sorted(self.rates.items()))
        return f'{{"amount":1.0,"base":"{self.base}","date":"{self.date}","rates":{{{rates}}}}}'


class History:
    def __init__(self, days: Mapping[date, Mapping[str, str]]) -> None:
        self._days = days
        self.first = min(days)
        self.last = max(days)

    @classmethod
    def published_by_ecb(cls) -> "History":
        packed = importlib.resources.files("currency_converter").joinpath("eurofxref-hist.zip").read_bytes()
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            text = archive.read(archive.namelist()[0]).decode("ascii")
        days = {}
        for row in csv.DictReader(io.StringIO(text)):
            # A line ends in a comma, so that the last column has no name; a currency without a rate that day says N/A.
            rates = {code.strip(): rate.strip() for code, rate in row.items() if code.strip() and code != "Date"}
            days[date.fromisoformat(row["Date"])] = {code: rate for code, rate in rates.items() if re.fullmatch(r"\d+(\.\d+)?", rate)}
        return cls(days)

    def answer(self, day: str, base: str | None, symbols: str | None, today: date) -> Day:
        """What the provider answers: the latest rates on or before `day`, of which `symbols` keeps only some."""
        base = (base or PUBLISHED_BASE).upper()
        wanted = set(symbols.upper().split(",")) if symbols else None
        if wanted == {base}:
            raise Unprocessable("bad currency pair")
        try:
            requested = today if day == "latest" else date.fromisoformat(day)
        except ValueError:
            raise Unprocessable("invalid date") from None
        if requested > today:
            raise NotFound

        effective, published = self._latest(requested)
        rates = quoted_in(base, published)
        if wanted is not None:
            rates = {code: rate for code, rate in rates.items() if code in wanted}
        if not rates:
            raise NotFound
        return Day(base, effective, rates)

    def _latest(self, requested: date) -> tuple[date, Mapping[str, str]]:
        for back in range(LONGEST_BREAK_DAYS):
            day = requested - timedelta(days=back)
            if published := self._days.get(self._source_of(day)):
                return day, published
        raise NotFound

    def _source_of(self, day: date) -> date:
        """The real day whose rates `day` has."""
        weeks_beyond = max(0, math.ceil((day - self.last) / WEEK))
        return day - weeks_beyond * WEEK


def quoted_in(base: str, published: Mapping[str, str]) -> dict[str, str]:
    """The rates of one `base`, from those of one euro: as they are, or divided and then rounded to six digits."""
    if base == PUBLISHED_BASE:
        return dict(published)
    if base not in published:
        raise NotFound
    divisor = Decimal(published[base])
    euro_rates = {**published, PUBLISHED_BASE: "1"}
    return {code: six_digits(Decimal(rate) / divisor) for code, rate in euro_rates.items() if code != base}


def six_digits(number: Decimal) -> str:
    return f"{number:.{max(0, 5 - number.adjusted())}f}"
