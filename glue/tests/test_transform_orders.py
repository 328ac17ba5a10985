"""transform-orders: which rows become order lines."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from lake import Lake, load_job

job = load_job("transform-orders")

LINE = {
    "order_id": "7",
    "line_number": 1,
    "ordered_at": datetime(2026, 11, 20, 8),
    "updated_at": datetime(2026, 11, 20, 9),
    "customer_id": "c1",
    "item_id": "i1",
    "warehouse_id": "w1",
    "quantity": 3,
    "unit_price": Decimal("12.50"),
    "discount_amount": Decimal("0.55"),
    "currency": "EUR",
}
LATER = {"updated_at": datetime(2026, 11, 20, 10)}


def test_amounts_are_quantity_times_price_less_discount(lake: Lake) -> None:
    lines, _ = transformed(lake, LINE, LINE | {"line_number": 2, "discount_amount": None})
    assert [(line["amount"], line["discount_amount"]) for line in lines] == [
        (Decimal("36.95"), Decimal("0.55")),
        (Decimal("37.50"), Decimal("0.00")),
    ]
    assert lines[0]["order_date"] == date(2026, 11, 20)


def test_the_newest_row_of_a_line_counts(lake: Lake) -> None:
    lines, counts = transformed(lake, LINE | LATER | {"quantity": 4}, LINE, LINE, LINE | {"line_number": 2})
    assert [(line["line_number"], line["quantity"]) for line in lines] == [(1, 4), (2, 3)]
    assert counts == {"order_lines": 2, "superseded": 2}


def test_a_tie_goes_to_the_greater_row_whatever_the_order(lake: Lake) -> None:
    rows = [LINE | {"quantity": None}, LINE | {"quantity": 9, "unit_price": Decimal("1.00")}, LINE | {"quantity": 9}, LINE]
    for order in (rows, rows[::-1]):
        (line,), _ = transformed(lake, *order)
        assert (line["quantity"], line["unit_price"]) == (9, Decimal("12.50"))


@pytest.mark.parametrize("column", ["order_id", "line_number", "item_id", "warehouse_id", "quantity", "unit_price", "currency"])
def test_rows_that_lack_what_a_line_needs_are_left_out_and_counted(lake: Lake, column: str) -> None:
    lines, counts = transformed(lake, LINE, LINE | {"line_number": 2, column: None}, LINE | {"line_number": 3, column: None})
    assert [line["line_number"] for line in lines] == [1]
    assert counts == {"order_lines": 1, f"without_{column}": 2}


def test_an_older_complete_row_does_not_stand_in_for_a_newer_incomplete_one(lake: Lake) -> None:
    lines, counts = transformed(lake, LINE, LINE | LATER | {"quantity": None}, LINE | {"line_number": 2})
    assert [line["line_number"] for line in lines] == [2]
    assert counts == {"order_lines": 1, "superseded": 1, "without_quantity": 1}


def test_a_line_without_a_customer_stays(lake: Lake) -> None:
    lines, _ = transformed(lake, LINE | {"customer_id": None})
    assert len(lines) == 1


def test_the_currencies_of_the_day_are_listed_in_order(lake: Lake) -> None:
    currencies = ["USD", "EUR", "SEK", "EUR"]
    transformed(lake, *[LINE | {"line_number": number, "currency": currency} for number, currency in enumerate(currencies)])
    assert lake.json(lake.uri("work", "out/_currencies.json")) == {"currencies": ["EUR", "SEK", "USD"]}


def test_a_day_without_a_complete_line_is_refused(lake: Lake) -> None:
    with pytest.raises(job.NoOrdersPartition, match=r'holds no complete order line; left out: {"without_currency": 1}$'):
        transformed(lake, LINE | {"currency": None})


def test_a_second_run_leaves_the_same_rows(lake: Lake) -> None:
    rows = [LINE, LINE, LINE | LATER]
    assert transformed(lake, *rows) == transformed(lake, *rows)


def transformed(lake: Lake, *rows: dict[str, Any]) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """The lines of these rows, in order, and the counts."""
    source, output = lake.uri("work", "in/"), lake.uri("work", "out/")
    lake.table([tuple(row.values()) for row in rows], job.ORDERS).write.mode("overwrite").parquet(source)
    job.run(lake.spark, source, output)
    return sorted(lake.rows(output), key=lambda line: line["line_number"]), lake.json(output + "_counts.json")
