"""The rates are the bank's own, in the provider's format, for every day up to today."""

import json
from datetime import date, timedelta
from decimal import Decimal

import pytest

from outside.rates import History, NotFound, Unprocessable, six_digits
from outside.tests.conftest import Outside

LONG_AFTER = date(2027, 6, 30)


def answered(history: History, day: str, base: str | None = None, symbols: str | None = None, today: date = LONG_AFTER) -> dict:
    return json.loads(history.answer(day, base, symbols, today).as_json(), parse_float=str, parse_int=str)


def test_a_real_day_has_the_published_digits(history: History) -> None:
    assert answered(history, "2024-02-29", symbols="USD,JPY,ISK") == {
        "amount": "1.0",
        "base": "EUR",
        "date": "2024-02-29",
        "rates": {"ISK": "149.3", "JPY": "162.53", "USD": "1.0826"},
    }


def test_a_weekend_carries_fridays_date(history: History) -> None:
    friday, saturday, sunday = (answered(history, f"2024-03-0{day}") for day in (1, 2, 3))
    assert friday["date"] == "2024-03-01"
    assert saturday == sunday == friday


def test_days_after_the_packed_history_repeat_its_last_week(history: History) -> None:
    for days in range(1, 60):
        later = history.last + timedelta(days=days)
        answer = answered(history, later.isoformat())
        effective = date.fromisoformat(answer["date"])
        source = history.last - timedelta(days=(history.last - effective).days % 7)
        assert later - effective <= timedelta(days=2), "only a weekend has no rates of its own"
        assert answer["rates"] == answered(history, source.isoformat())["rates"], later


def test_a_currency_without_a_rate_that_day_is_left_out(history: History) -> None:
    # The Bulgarian lev became the euro, the Croatian kuna before it.
    assert answered(history, "2022-12-30", symbols="HRK,BGN,XTS")["rates"].keys() == {"HRK", "BGN"}
    assert answered(history, "2023-01-02", symbols="HRK,BGN,XTS")["rates"].keys() == {"BGN"}


def test_another_base_is_quoted_from_the_euro_legs(history: History) -> None:
    euro = {code: Decimal(rate) for code, rate in answered(history, "2024-02-29")["rates"].items()}
    dollar = answered(history, "2024-02-29", base="usd")
    assert dollar["base"] == "USD"
    assert "USD" not in dollar["rates"]
    assert dollar["rates"]["EUR"] == "0.923702"
    for code, rate in dollar["rates"].items():
        exact = euro.get(code, Decimal(1)) / euro["USD"]
        assert abs(Decimal(rate) / exact - 1) < Decimal("0.000005"), code


def test_six_digits_are_kept_whatever_the_size() -> None:
    assert [six_digits(Decimal(text)) for text in ("0.00012345678", "1.23456789", "18012.3456", "1234567.8")] == [
        "0.000123457",
        "1.23457",
        "18012.3",
        "1234568",
    ]


@pytest.mark.parametrize(("day", "symbols"), [("1998-12-31", None), ("2027-07-01", None), ("2024-02-29", "XTS"), ("2024-02-29", "XTS,XXX")])
def test_what_the_provider_does_not_have_is_not_found(history: History, day: str, symbols: str | None) -> None:
    with pytest.raises(NotFound):
        history.answer(day, None, symbols, LONG_AFTER)


@pytest.mark.parametrize(("day", "base", "symbols"), [("2026-02-29", None, None), ("yesterday", None, None), ("2024-02-29", "USD", "USD")])
def test_what_makes_no_sense_is_refused(history: History, day: str, base: str | None, symbols: str | None) -> None:
    with pytest.raises(Unprocessable):
        history.answer(day, base, symbols, LONG_AFTER)


def test_the_provider_is_reached_over_http(outside: Outside) -> None:
    answer = outside.get("/v1/2024-02-29?base=EUR&symbols=USD,GBP")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json; charset=utf-8")
    assert answer.text == '{"amount":1.0,"base":"EUR","date":"2024-02-29","rates":{"GBP":0.85655,"USD":1.0826}}'

    assert [outside.get(path).status for path in ("/v1/latest", "/v1/1998-01-01", "/v1/2024-02-30", "/v2/rates")] == [200, 404, 422, 404]


def test_a_provider_that_is_down_answers_503_until_it_is_back(outside: Outside) -> None:
    outside.post("/faults", {"fx-down": True})
    assert outside.get("/v1/2024-02-29").status == 503
    outside.post("/faults", {"fx-down": False})
    assert outside.get("/v1/2024-02-29").status == 200


def test_a_missing_currency_is_missing_in_every_base(outside: Outside) -> None:
    everything = outside.get("/v1/2024-02-29").json["rates"].keys()
    outside.post("/faults", {"fx-missing-currency": True})
    assert everything - outside.get("/v1/2024-02-29").json["rates"].keys() == {"USD"}
    assert "EUR" not in outside.get("/v1/2024-02-29?base=USD").json["rates"]


def test_only_known_faults_can_be_switched(outside: Outside) -> None:
    none = {"fx-down": False, "fx-missing-currency": False, "slack-down": False}
    assert outside.get("/faults").json == none
    for body in ({"fx-gone": True}, {"fx-down": "yes"}, [], b"fx-down"):
        assert outside.post("/faults", body).status == 400
    assert outside.get("/faults").json == none
    assert outside.post("/faults", {"slack-down": True}).json == none | {"slack-down": True}
