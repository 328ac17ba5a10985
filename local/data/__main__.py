"""`python -m data --run-date D --orders N --out DIR [--fault quality] [--cache DIR]`, from the folder `local`.

Writes `DIR/orders/order_date=D/*.csv` and `DIR/inventory/snapshot_date=D/*.csv`, as a shop would deliver them. Progress goes to stderr,
a JSON summary to stdout.
"""

import argparse
import json
import sys
import tempfile
from datetime import date
from pathlib import Path

from data.day import Fault, write_day
from data.tpcds import Tables


def main() -> None:
    options = parse_arguments()
    with tempfile.TemporaryDirectory() as folder:
        tables = Tables(options.cache or Path(folder), say)
        summary = write_day(tables, options.run_date, options.orders, options.out, options.fault, say)
    print(json.dumps(summary))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="data", description="Writes a day of orders and its inventory snapshot as CSV.")
    parser.add_argument("--run-date", type=date.fromisoformat, required=True)
    parser.add_argument("--orders", type=order_lines, required=True, help="order lines at most")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--fault", type=Fault, choices=list(Fault), help="plants what a quality gate has to find")
    parser.add_argument("--cache", type=Path, help="keeps the generated tables for the next day")
    return parser.parse_args()


def order_lines(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not a number of order lines")
    return number


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
