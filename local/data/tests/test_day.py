"""A day of orders: the same for the same arguments, and with work for every rule of the jobs."""

import csv
import json
import subprocess
import sys
from collections import Counter
from datetime import date
from pathlib import Path

import pytest
from data.day import Fault, write_day
from data.reckon import reckon
from data.tpcds import Tables

LOCAL = Path(__file__).parents[2]
RUN_DATE = date(2026, 11, 20)


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    return Tables(tmp_path_factory.mktemp("tables"), lambda line: None)


def test_the_same_arguments_give_the_same_bytes(tables: Tables, tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_day(tables, RUN_DATE, 500, tmp_path / name, None, lambda line: None)
    contents = [{file.relative_to(tmp_path / name): file.read_bytes() for file in files(tmp_path / name)} for name in ("one", "two")]
    assert contents[0] == contents[1]
    assert sorted(map(str, contents[0])) == [
        "inventory/snapshot_date=2026-11-20/inventory.csv",
        "inventory/snapshot_date=2026-11-20/items.csv",
        "inventory/snapshot_date=2026-11-20/warehouses.csv",
        "orders/order_date=2026-11-20/part-0000.csv",
    ]


@pytest.mark.parametrize("order_lines", [1, 61, 700])
def test_there_are_no_more_rows_than_asked_for(tables: Tables, tmp_path: Path, order_lines: int) -> None:
    summary = write_day(tables, RUN_DATE, order_lines, tmp_path, None, lambda line: None)
    assert summary["order_rows"] == order_lines == len(orders_of(tmp_path))


def test_every_rule_of_the_jobs_has_work(tables: Tables, tmp_path: Path) -> None:
    write_day(tables, RUN_DATE, 2000, tmp_path, None, lambda line: None)
    orders = orders_of(tmp_path)
    rows = Counter(tuple(order.values()) for order in orders)
    lines = Counter((order["order_id"], order["line_number"]) for order in orders)
    assert {order["ordered_at"][:10] for order in orders} == {"2026-11-20"}
    assert len({order["ordered_at"][11:13] for order in orders}) > 12
    assert max(rows.values()) > 1
    assert len(lines) < len(rows)
    assert any(not order["quantity"] for order in orders)
    assert len({order["currency"] for order in orders}) == 7
    one_currency_each = {order["order_id"]: order["currency"] for order in orders}
    assert all(one_currency_each[order["order_id"]] == order["currency"] for order in orders)


def test_every_item_is_described_once_and_in_stock_everywhere(tables: Tables, tmp_path: Path) -> None:
    write_day(tables, RUN_DATE, 2000, tmp_path, None, lambda line: None)
    items = [row["item_id"] for row in rows_of(tmp_path / "inventory" / "snapshot_date=2026-11-20" / "items.csv")]
    stock = [
        (row["item_id"], row["warehouse_id"]) for row in rows_of(tmp_path / "inventory" / "snapshot_date=2026-11-20" / "inventory.csv")
    ]
    assert len(set(items)) == len(items)
    assert len(set(stock)) == len(stock) == 5 * len(items)
    assert {item for item, _ in stock} == set(items)
    assert {order["item_id"] for order in orders_of(tmp_path)} <= set(items)


def test_faults_are_well_formed_and_wrong(tables: Tables, tmp_path: Path) -> None:
    write_day(tables, RUN_DATE, 600, tmp_path, Fault.QUALITY, lambda line: None)
    orders = orders_of(tmp_path)
    assert any(order["quantity"] == "0" for order in orders)
    assert any(order["item_id"].startswith("unknown-") for order in orders)
    assert any(order["discount_amount"] == "9999999.99" for order in orders)


def test_the_command_says_what_it_does_and_answers_with_a_summary(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "data", "--run-date", "2026-11-20", "--orders", "100", "--out", tmp_path, "--fault", "quality"]
    for _ in range(2):
        done = subprocess.run([*command, "--cache", tmp_path / "cache"], cwd=LOCAL, capture_output=True, text=True, check=True)
        assert json.loads(done.stdout) == {
            "run_date": "2026-11-20",
            "order_rows": 100,
            "inventory_rows": 45_000,
            "items": 9_000,
            "warehouses": 5,
            "fault": "quality",
        }
    # The second time the small tables are there.
    assert "orders: 100 rows written" in done.stderr
    assert "generating item" not in done.stderr


@pytest.mark.parametrize("arguments", [["--run-date", "2026-02-30"], ["--orders", "0"], ["--fault", "none"]])
def test_arguments_that_make_no_sense_are_refused(tmp_path: Path, arguments: list[str]) -> None:
    command = [sys.executable, "-m", "data", "--run-date", "2026-11-20", "--orders", "1", "--out", tmp_path, *arguments]
    refused = subprocess.run(command, cwd=LOCAL, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert arguments[1] in refused.stderr


def test_revenue_is_reckoned_by_hand(tmp_path: Path) -> None:
    header = "order_id,line_number,ordered_at,updated_at,customer_id,item_id,warehouse_id,quantity,unit_price,discount_amount,currency\n"
    early, late = "2026-11-20T08:00:00Z,2026-11-20T08:00:00Z", "2026-11-20T08:00:00Z,2026-11-20T09:00:00Z"
    (tmp_path / "a.csv").write_text(
        header
        + f"1,1,{early},c,i,w,1,10.00,,USD\n"  # 10.00 / 8 = 1.25
        + f"1,2,{early},c,i,w,3,1.00,0.08,USD\n"  # 2.92 / 8 = 0.365, up to 0.37
        + f"2,1,{early},c,i,w,9,9.00,,EUR\n"  # superseded
        + f"3,1,{early},c,i,w,9,9.00,,EUR\n"  # superseded by a row without a quantity
        + f"4,1,{early},c,i,w,0,1.00,0.01,EUR\n"  # -0.01
        + f",1,{early},c,i,w,9,9.00,,EUR\n"  # names no line
    )
    (tmp_path / "b.csv").write_text(header + f"2,1,{late},c,i,w,2,1.50,,EUR\n3,1,{late},c,i,w,,9.00,,EUR\n")
    rates = tmp_path / "rates.txt"
    rates.write_text("rate_date,effective_date,base,quote,rate,source\nd,d,EUR,EUR,1,s\nd,d,EUR,USD,8,s\n")
    # 1.25 + 0.37 + 3.00 - 0.01
    assert reckon(tmp_path, rates, "EUR") == {"order_lines": 4, "revenue_base": "4.61"}
    with pytest.raises(SystemExit, match="holds rates of EUR, not of USD"):
        reckon(tmp_path, rates, "USD")


def files(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file()]


def orders_of(day: Path) -> list[dict[str, str]]:
    return rows_of(day / "orders" / "order_date=2026-11-20" / "part-0000.csv")


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as text:
        return list(csv.DictReader(text))
