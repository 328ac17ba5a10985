"""One day of orders and its inventory snapshot, made of TPC-DS: the same arguments give the same bytes.

The orders are those of TPC-DS, one after the other, shifted to the run date; nulls in them are its own. Its item table keeps every
revision of an item, and an order knows the revision of its time: here an item is its business key. What TPC-DS doesn't have is added by
rule: a currency for each order, rows that are delivered twice, rows that were corrected later, and quantities that got lost, so that the
rules of `transform-orders` have work to do.
"""

import csv
import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any

from data.tpcds import Row, Tables

ORDERS_HEADER = [
    "order_id", "line_number", "ordered_at", "updated_at", "customer_id", "item_id", "warehouse_id", "quantity", "unit_price",
    "discount_amount", "currency",
]  # fmt: skip
ROWS_PER_FILE = 250_000

# Of a hundred orders.
CURRENCIES = {"EUR": 42, "USD": 24, "GBP": 12, "SEK": 8, "DKK": 6, "JPY": 4, "CHF": 4}

DELIVERED_TWICE_EVERY = 61
CORRECTED_EVERY = 47
QUANTITY_LOST_EVERY = 83
FAULTY_EVERY = 10


class Fault(Enum):
    """What can be wrong with a day without being malformed."""

    QUALITY = "quality"

    def __str__(self) -> str:
        return self.value


def write_day(
    tables: Tables, run_date: date, order_lines: int, out: Path, fault: Fault | None, say: Callable[[str], None]
) -> dict[str, Any]:
    """The summary counts rows as they are delivered."""
    revisions = list(tables.items())
    item_ids = {row["i_item_sk"]: row["i_item_id"] for row in revisions}
    sales = (sale | {"item_id": item_ids[sale["cs_item_sk"]]} for sale in tables.catalog_sales(order_lines))
    rows = itertools.islice(order_rows(sales, run_date, fault), order_lines)
    orders_folder = out / "orders" / f"order_date={run_date}"
    written = 0
    for part in itertools.count():
        chunk = list(itertools.islice(rows, ROWS_PER_FILE))
        if not chunk and part:
            break
        written += write_csv(orders_folder / f"part-{part:04}.csv", ORDERS_HEADER, chunk)
        say(f"orders: {written:,} rows written")

    snapshot = out / "inventory" / f"snapshot_date={run_date}"
    stock = write_csv(
        snapshot / "inventory.csv",
        ["item_id", "warehouse_id", "quantity_on_hand"],
        ([item_ids[row["inv_item_sk"]], row["inv_warehouse_sk"], row["inv_quantity_on_hand"]] for row in tables.inventory()),
    )
    items = write_csv(
        snapshot / "items.csv",
        ["item_id", "product_name", "brand", "category"],
        ([row["i_item_id"], row["i_product_name"], row["i_brand"], row["i_category"]] for row in revisions if not row["i_rec_end_date"]),
    )
    warehouses = write_csv(
        snapshot / "warehouses.csv",
        ["warehouse_id", "warehouse_name", "country"],
        ([row["w_warehouse_sk"], row["w_warehouse_name"], row["w_country"]] for row in tables.warehouses()),
    )
    say(f"inventory: {stock:,} rows written")
    return {
        "run_date": str(run_date),
        "order_rows": written,
        "inventory_rows": stock,
        "items": items,
        "warehouses": warehouses,
        "fault": fault.value if fault else None,
    }


def order_rows(sales: Iterable[Row], run_date: date, fault: Fault | None) -> Iterator[list[str]]:
    line_numbers: dict[str, int] = {}
    for position, sale in enumerate(sales, start=1):
        order_id = sale["cs_order_number"]
        # An order's lines stand together, so that only the current order has to be remembered.
        line_numbers = {order_id: line_numbers.get(order_id, 0) + 1}
        row = order_row(sale, line_numbers[order_id], run_date)
        if position % QUANTITY_LOST_EVERY == 0:
            row["quantity"] = ""
        if fault is Fault.QUALITY and position % FAULTY_EVERY == 0:
            row |= faults(position)
        yield list(row.values())
        if position % DELIVERED_TWICE_EVERY == 0:
            yield list(row.values())
        if position % CORRECTED_EVERY == 0 and row["quantity"]:
            yield list(corrected(row).values())


def order_row(sale: Row, line_number: int, run_date: date) -> Row:
    order_id = sale["cs_order_number"]
    number = hash_of(order_id)
    second = int(sale["cs_sold_time_sk"] or number % 86_400)
    ordered_at = datetime.combine(run_date, datetime.min.time(), UTC) + timedelta(seconds=second)
    return {
        "order_id": order_id,
        "line_number": str(line_number),
        "ordered_at": instant(ordered_at),
        "updated_at": instant(ordered_at + timedelta(seconds=number % 600)),
        "customer_id": sale["cs_bill_customer_sk"],
        "item_id": sale["item_id"],
        "warehouse_id": sale["cs_warehouse_sk"],
        "quantity": sale["cs_quantity"],
        "unit_price": sale["cs_list_price"],
        "discount_amount": sale["cs_ext_discount_amt"],
        "currency": currency_of(number),
    }


def corrected(row: Row) -> Row:
    """The customer took one more, an hour later."""
    updated_at = datetime.fromisoformat(row["updated_at"]) + timedelta(hours=1)
    return row | {"updated_at": instant(updated_at), "quantity": str(int(row["quantity"]) + 1)}


def faults(position: int) -> Row:
    """Lines that are well formed and wrong: nothing ordered, more discount than price, an item that nobody has in stock."""
    match position // FAULTY_EVERY % 3:
        case 0:
            return {"quantity": "0", "discount_amount": "0.00"}
        case 1:
            return {"discount_amount": "9999999.99"}
    return {"item_id": f"unknown-{position}"}


def currency_of(number: int) -> str:
    place = number % sum(CURRENCIES.values())
    for currency, weight in CURRENCIES.items():
        if place < weight:
            return currency
        place -= weight
    raise AssertionError("the weights sum up to their sum")


def hash_of(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def instant(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def write_csv(file: Path, header: list[str], rows: Iterable[list[str]]) -> int:
    file.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with file.open("w", newline="", encoding="utf-8") as text:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(header)
        for row in rows:
            writer.writerow(row)
            written += 1
    return written
