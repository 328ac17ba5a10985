"""join-fact-dim and apply-fx: every order line stays, and is worth to the cent what the rates say."""

from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import Any

import pytest
from lake import Lake, load_job

join = load_job("join-fact-dim")
fx = load_job("apply-fx")

NIGHT = fx.Night("2026-11-20", "night-1", "EUR")
ORDERS = ["i1", "i1", "unknown"]
RATES = """rate_date,effective_date,base,quote,rate,source
2026-11-20,2026-11-20,EUR,EUR,1,frankfurter
2026-11-20,2026-11-19,EUR,USD,1.1523,frankfurter
"""


def test_unmatched_lines_stay_without_category(lake: Lake) -> None:
    assert [(line["line_number"], line["category"], line["in_inventory"]) for line in joined(lake, [("EUR", "1"), ("EUR", "1")])] == [
        (1, "Shoes", True),
        (2, None, False),
    ]
    assert lake.json(lake.uri("work", "join/_counts.json")) == {"order_lines": 2, "unmatched_lines": 1}


def test_amounts_are_divided_exactly_and_rounded_half_up(lake: Lake) -> None:
    # The last three sit closer to half a cent than Spark's own quotient has decimals.
    cases = [
        ("1.00", "8"), ("0.99", "3"), ("-0.99", "3"), ("-0.05", "10"), ("0.05", "10"), ("0.00", "7.5"),
        ("9999999999999999.99", "1"), ("-123456.78", "0.0000000001"), ("0.01", "2"),
        ("1581013019914.99", "17000.1399999999"), ("867007139404.99", "17000.1399999999"), ("-119000971584.93", "17000.1399999999"),
    ]  # fmt: skip
    table = lake.table([(Decimal(amount), Decimal(rate)) for amount, rate in cases], "amount DECIMAL(18,2), rate DECIMAL(18,10)")
    ours = [row.amount_base for row in table.select(fx.in_base(table.amount, table.rate).alias("amount_base")).collect()]
    assert ours == [half_up(amount, rate) for amount, rate in cases]


def test_staged_build_and_its_summary(lake: Lake) -> None:
    joined(lake, [("USD", "11.53"), ("EUR", "100.00"), ("USD", "-0.01")])
    staged = applied(lake, RATES)
    assert [(line["amount_base"], line["rate"]) for line in staged] == [
        (Decimal("10.01"), Decimal("1.1523")),
        (Decimal("100.00"), Decimal("1")),
        (Decimal("-0.01"), Decimal("1.1523")),
    ]
    assert lake.json(lake.uri("work", "fx/_summary.json")) == {
        "run_date": "2026-11-20",
        "run_id": "night-1",
        "base_currency": "EUR",
        "orders": 2,
        "order_lines": 3,
        "revenue_base": "110.00",
        "unmatched_lines": 1,
        "rates": {"effective_date": "2026-11-19", "source": "frankfurter", "currencies": ["EUR", "USD"]},
        "categories": [
            {"category": "Shoes", "order_lines": 2, "revenue_base": "110.01"},
            {"category": None, "order_lines": 1, "revenue_base": "-0.01"},
        ],
    }
    assert lake.json(lake.uri("work", "fx/_counts.json")) == {"orders": 2, "order_lines": 3, "unmatched_lines": 1}


def test_a_currency_without_rate_is_refused_by_name(lake: Lake) -> None:
    joined(lake, [("USD", "1"), ("XTS", "1"), ("CHF", "1")])
    with pytest.raises(fx.UnknownCurrency, match=f"^{lake.uri('warehouse', 'rates.csv')} has no rate for CHF, XTS$"):
        applied(lake, RATES)
    assert not lake.path(lake.uri("work", "fx/")).exists()


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("rate_date,", "date,", r":1: the header «date,effective_date,base,quote,rate,source» is not"),
        ("2026-11-20,2026-11-19,EUR", "2026-11-21,2026-11-19,EUR", ":3: rate_date «2026-11-21» is not 2026-11-20"),
        ("EUR,USD", "GBP,USD", ":3: base «GBP» is not EUR"),
        ("EUR,USD", "EUR,usd", ":3: quote «usd» is not a currency"),
        ("EUR,USD", "EUR,EUR", ":3: quote «EUR» stands here again"),
        ("1.1523", "1,1523", ":3: the line does not have 6 fields"),
        ("1.1523", "0.000", r":3: rate «0\.000» is not a number above zero"),
        ("1.1523", "-1.1523", r":3: rate «-1\.1523» is not a number above zero"),
        ("1.1523", "1.15231523152", r":3: rate «1\.15231523152» is not a number above zero"),
        ("2026-11-19", "yesterday", ":3: effective_date «yesterday» is not a date"),
    ],
)
def test_malformed_rates_are_named_by_line(old: str, new: str, problem: str) -> None:
    with pytest.raises(fx.MalformedRow, match=rf"^rates\.csv{problem}"):
        fx.parse_rates(RATES.replace(old, new), "rates.csv", NIGHT)


def joined(lake: Lake, lines: list[tuple[str, str]]) -> list[dict[str, Any]]:
    """Order lines of these currencies and amounts joined with an inventory that knows the item of all but the last."""
    moment = datetime(2026, 11, 20, 8)
    orders = [
        (
            f"o{number // 2}", number, date(2026, 11, 20), moment, moment, "c1", "i1" if number < len(lines) else "unknown", "w1",
            1, Decimal(amount), Decimal(0), currency, Decimal(amount),
        )
        for number, (currency, amount) in enumerate(lines, start=1)
    ]  # fmt: skip
    inventory = [("i1", "w1", "Boots", "Grip", "Shoes", "North", "Sweden", 5)]
    work = lake.uri("work")
    lake.table(orders, join.ORDERS).write.mode("overwrite").parquet(work + "orders/")
    lake.table(inventory, join.INVENTORY).write.mode("overwrite").parquet(work + "inventory/")
    join.run(lake.spark, work + "orders/", work + "inventory/", work + "join/")
    return sorted(lake.rows(work + "join/"), key=lambda line: line["line_number"])


def applied(lake: Lake, rates: str) -> list[dict[str, Any]]:
    rates_uri = lake.put(lake.uri("warehouse", "rates.csv"), rates)
    fx.run(lake.spark, NIGHT, lake.uri("work", "join/"), rates_uri, lake.uri("work", "fx/"))
    return sorted(lake.rows(lake.uri("work", "fx/")), key=lambda line: line["line_number"])


def half_up(amount: str, rate: str) -> Decimal:
    cents = floor(abs(Fraction(amount)) / Fraction(rate) * 100 + Fraction(1, 2))
    return Decimal(cents if not amount.startswith("-") else -cents) / 100
