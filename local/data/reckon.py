"""`python -m data.reckon --raw DIR --rates rates.csv --run-date D --base EUR`, from the folder `local`.

Reckons a night's order lines and revenue from the raw files and the rates alone, with exact fractions and without Spark: what the jobs
publish has to be the same. DIR holds `orders/order_date=D/`.
"""

import argparse
import csv
import json
import math
from fractions import Fraction
from pathlib import Path

NEEDED = ["item_id", "warehouse_id", "quantity", "unit_price", "currency"]


def main() -> None:
    parser = argparse.ArgumentParser(prog="data.reckon", description="Reckons a night's revenue from its raw orders and rates.")
    parser.add_argument("--raw", type=Path, required=True)
    parser.add_argument("--rates", type=Path, required=True)
    parser.add_argument("--run-date", required=True)
    parser.add_argument("--base", required=True)
    options = parser.parse_args()
    print(json.dumps(reckon(options.raw / "orders" / f"order_date={options.run_date}", options.rates, options.base)))


def reckon(orders: Path, rates_file: Path, base: str) -> dict[str, int | str]:
    rates = read_rates(rates_file, base)
    lines = newest_lines(sorted(orders.glob("*.csv")))
    complete = [line for line in lines if all(line[column] for column in NEEDED)]
    cents = sum(cents_in_base(line, rates[line["currency"]]) for line in complete)
    sign, (whole, rest) = "-" if cents < 0 else "", divmod(abs(cents), 100)
    return {"order_lines": len(complete), "revenue_base": f"{sign}{whole}.{rest:02}"}


def read_rates(file: Path, base: str) -> dict[str, Fraction]:
    with file.open(newline="", encoding="utf-8") as text:
        rows = list(csv.DictReader(text))
    others = {row["base"] for row in rows} - {base}
    if others:
        raise SystemExit(f"{file} holds rates of {', '.join(sorted(others))}, not of {base}")
    return {row["quote"]: Fraction(row["rate"]) for row in rows}


def newest_lines(files: list[Path]) -> list[dict[str, str]]:
    """The newest row of each order line; a tie goes to the greater row, compared column by column as numbers are, null least."""
    newest: dict[tuple[str, str], dict[str, str]] = {}
    for file in files:
        with file.open(newline="", encoding="utf-8") as text:
            for row in csv.DictReader(text):
                key = (row["order_id"], row["line_number"])
                if all(key) and (key not in newest or age(row) > age(newest[key])):
                    newest[key] = row
    return list(newest.values())


def age(row: dict[str, str]) -> tuple[tuple[bool, str | Fraction], ...]:
    numbers = ("quantity", "unit_price", "discount_amount")
    texts = ("ordered_at", "customer_id", "item_id", "warehouse_id")
    ordered = [row["updated_at"], *[row[column] for column in texts]]
    amounts = [Fraction(row[column]) if row[column] else Fraction(0) for column in numbers]
    present = [bool(row[column]) for column in numbers]
    return (
        *[(bool(value), value) for value in ordered],
        *zip(present, amounts, strict=True),
        (bool(row["currency"]), row["currency"]),
    )


def cents_in_base(line: dict[str, str], rate: Fraction) -> int:
    """Rounded half up, away from zero."""
    amount = Fraction(line["quantity"]) * Fraction(line["unit_price"]) - Fraction(line["discount_amount"] or 0)
    cents = abs(amount) / rate * 100
    rounded = math.floor(cents + Fraction(1, 2))
    return rounded if amount >= 0 else -rounded


if __name__ == "__main__":
    main()
