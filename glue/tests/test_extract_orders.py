"""extract-orders: typed rows, or the file, line and column of the first that is malformed."""

from datetime import datetime
from decimal import Decimal

import pytest
from lake import Lake, load_job

job = load_job("extract-orders")

RUN_DATE = "2026-11-20"
GOOD = "7,1,2026-11-20T00:00:00Z,2026-11-20T00:09:00.5Z,c1,i1,w1,3,12.50,0.5,EUR"


def test_rows_come_typed_and_empty_fields_null(lake: Lake) -> None:
    source = deliver(lake, GOOD, "7,,2026-11-20T23:59:59Z,2026-11-21T01:00:00Z,,,,,,,")
    job.run(lake.spark, RUN_DATE, source, lake.uri("work", "out/"))
    full, empty = lake.rows(lake.uri("work", "out/"))
    assert full == {
        "order_id": "7",
        "line_number": 1,
        "ordered_at": datetime(2026, 11, 20, 0, 0),
        "updated_at": datetime(2026, 11, 20, 0, 9, 0, 500_000),
        "customer_id": "c1",
        "item_id": "i1",
        "warehouse_id": "w1",
        "quantity": 3,
        "unit_price": Decimal("12.50"),
        "discount_amount": Decimal("0.50"),
        "currency": "EUR",
    }
    assert [name for name, value in empty.items() if value is not None] == ["order_id", "ordered_at", "updated_at"]
    assert lake.json(lake.uri("work", "out/_counts.json")) == {"files": 1, "order_lines": 2}


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("7,1,2026-11-20T00:00:00Z", "the line does not have 11 fields: «7,1,2026-11-20T00:00:00Z»"),
        (GOOD + ",", f"the line does not have 11 fields: «{GOOD},»"),
        ("", "the line does not have 11 fields: «»"),
        (GOOD.replace(",1,", ",one,"), "line_number «one» is not a line number"),
        (GOOD.replace(",3,", ",3.0,"), "quantity «3.0» is not a whole number of at most 7 digits"),
        (GOOD.replace("12.50", "12.505"), "unit_price «12.505» is not an amount with at most 8 digits before and 2 after the point"),
        (GOOD.replace("12.50", '"12,50"'), "unit_price «12,50» is not an amount with at most 8 digits before and 2 after the point"),
        (GOOD.replace("0.5,", "1e3,"), "discount_amount «1e3» is not an amount with at most 10 digits before and 2 after the point"),
        (GOOD.replace("EUR", "eur"), "currency «eur» is not a currency of three capital letters"),
        (GOOD.replace("EUR", "EURO"), "currency «EURO» is not a currency of three capital letters"),
        (GOOD.replace("2026-11-20T00:00", "2026-11-31T00:00"), "ordered_at «2026-11-31T00:00:00Z» is not an instant in UTC"),
        (GOOD.replace("00:00:00Z", "00:00:00+01:00"), "ordered_at «2026-11-20T00:00:00+01:00» is not an instant in UTC"),
        (GOOD.replace("2026-11-20T00:00:00Z", ""), "ordered_at «» is missing"),
        (GOOD.replace("2026-11-20T00:00:00Z", "2026-11-19T23:59:59Z"), "ordered_at «2026-11-19 23:59:59» is not on 2026-11-20 (UTC)"),
        (job.HEADER, "the header stands here again"),
    ],
)
def test_malformed_lines_are_named_and_nothing_is_written(lake: Lake, line: str, problem: str) -> None:
    source = deliver(lake, GOOD)
    lake.put(source + "part-0001.csv", f"{job.HEADER}\n{GOOD}\n{line}\n{GOOD.replace('EUR', 'late')}\n")
    with pytest.raises(job.MalformedRow) as refused:
        job.run(lake.spark, RUN_DATE, source, lake.uri("work", "out/"))
    assert str(refused.value).startswith(f"{source}part-0001.csv:3: {problem}")
    assert not lake.path(lake.uri("work", "out/")).exists()


def test_line_numbers_are_right_in_a_file_that_is_read_in_pieces(lake: Lake) -> None:
    source = deliver(lake, *[GOOD] * 400, GOOD.replace("EUR", "eur"), *[GOOD] * 400)
    lake.spark.conf.set("spark.sql.files.maxPartitionBytes", "8192")
    try:
        with pytest.raises(job.MalformedRow, match=r"part-0000\.csv:402: currency «eur»"):
            job.run(lake.spark, RUN_DATE, source, lake.uri("work", "out/"))
    finally:
        lake.spark.conf.unset("spark.sql.files.maxPartitionBytes")


def test_unknown_headers_are_refused(lake: Lake) -> None:
    source = lake.uri("raw", "orders/")
    lake.put(source + "part-0000.csv", "order_id,line\n7,1\n")
    with pytest.raises(job.MalformedRow, match=r"part-0000\.csv:1: the header «order_id,line» is not «order_id,line_number,"):
        job.run(lake.spark, RUN_DATE, source, lake.uri("work", "out/"))


def test_partitions_that_are_missing_or_empty_are_named(lake: Lake) -> None:
    with pytest.raises(job.NoOrdersPartition, match=f"^{lake.uri('raw', 'nowhere/')} holds no .csv file$"):
        job.run(lake.spark, RUN_DATE, lake.uri("raw", "nowhere/"), lake.uri("work", "out/"))
    lake.put(lake.uri("raw", "other/notes.txt"), "no orders")
    with pytest.raises(job.NoOrdersPartition, match=r"holds no \.csv file"):
        job.run(lake.spark, RUN_DATE, lake.uri("raw", "other/"), lake.uri("work", "out/"))
    with pytest.raises(job.NoOrdersPartition, match="holds no order line, only headers in 1 file"):
        job.run(lake.spark, RUN_DATE, deliver(lake), lake.uri("work", "out/"))


def test_a_second_run_replaces_the_first(lake: Lake) -> None:
    source, output = deliver(lake, GOOD, GOOD), lake.uri("work", "out/")
    for _ in range(2):
        job.run(lake.spark, RUN_DATE, source, output)
    assert len(lake.rows(output)) == 2


def deliver(lake: Lake, *lines: str) -> str:
    source = lake.uri("raw", "orders/")
    lake.put(source + "part-0000.csv", "\n".join([job.HEADER, *lines]) + "\n")
    return source
