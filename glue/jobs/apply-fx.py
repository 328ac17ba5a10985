"""Amounts in the base currency: the staged build that an approver is asked about, and its summary."""

import csv
import json
import re
import sys
from decimal import Decimal
from typing import NamedTuple

from awsglue.utils import getResolvedOptions
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

JOINED = """
    order_id STRING, line_number INT, order_date DATE, ordered_at TIMESTAMP, updated_at TIMESTAMP, customer_id STRING, item_id STRING,
    product_name STRING, brand STRING, category STRING, warehouse_id STRING, warehouse_name STRING, warehouse_country STRING,
    in_inventory BOOLEAN, quantity_on_hand INT, quantity INT, unit_price DECIMAL(10,2), discount_amount DECIMAL(12,2), currency STRING,
    amount DECIMAL(18,2)
"""
RATES_HEADER = ["rate_date", "effective_date", "base", "quote", "rate", "source"]


def main() -> None:
    options = getResolvedOptions(sys.argv, ["JOB_NAME", "run_date", "run_id", "input_uri", "rates_uri", "base_currency", "output_uri"])
    spark = SparkSession.builder.appName(options["JOB_NAME"]).config("spark.sql.session.timeZone", "UTC").getOrCreate()
    night = Night(options["run_date"], options["run_id"], options["base_currency"])
    run(spark, night, options["input_uri"], options["rates_uri"], options["output_uri"])


class Night(NamedTuple):
    run_date: str
    run_id: str
    base_currency: str


def run(spark: SparkSession, night: Night, input_uri: str, rates_uri: str, output_uri: str) -> None:
    joined = spark.read.schema(JOINED).parquet(input_uri)
    rates = parse_rates(spark.read.text(rates_uri, wholetext=True).first().value, rates_uri, night)
    needed = sorted(row.currency for row in joined.select("currency").distinct().collect())
    unknown = [currency for currency in needed if currency not in rates]
    if unknown:
        raise UnknownCurrency(f"{rates_uri} has no rate for {', '.join(unknown)}")

    transform(joined, rate_table(spark, rates), night.base_currency).write.mode("overwrite").parquet(output_uri)

    staged = spark.read.parquet(output_uri)
    summary = summarize(staged, night, [rates[currency] for currency in needed])
    write_text(spark, output_uri.rstrip("/") + "/_summary.json", json.dumps(summary, indent=2, ensure_ascii=False) + "\n")
    write_counts(spark, output_uri, {name: summary[name] for name in ("orders", "order_lines", "unmatched_lines")})


class UnknownCurrency(Exception):
    """An order's currency has no rate."""


class MalformedRow(Exception):
    """A line of a file that is not what was agreed. Its message names file, line and column."""


class Rate(NamedTuple):
    """One unit of the base currency is `rate` units of `quote`."""

    effective_date: str
    quote: str
    rate: Decimal
    source: str


def parse_rates(text: str, uri: str, night: Night) -> dict[str, Rate]:
    """The rates by currency. The table has to be that of the run date, in the base currency."""
    header, *rows = list(csv.reader(text.splitlines())) or [[]]
    if header != RATES_HEADER:
        raise MalformedRow(f"{uri}:1: the header «{','.join(header)}» is not «{','.join(RATES_HEADER)}»")
    rates: dict[str, Rate] = {}
    for line, row in enumerate(rows, start=2):
        if len(row) != len(RATES_HEADER):
            raise MalformedRow(f"{uri}:{line}: the line does not have {len(RATES_HEADER)} fields: «{','.join(row)}»")
        rate_date, effective_date, base, quote, rate, source = row
        problems = {
            f"rate_date «{rate_date}» is not {night.run_date}": rate_date != night.run_date,
            f"effective_date «{effective_date}» is not a date": not re.fullmatch(r"\d{4}-\d{2}-\d{2}", effective_date),
            f"base «{base}» is not {night.base_currency}": base != night.base_currency,
            f"quote «{quote}» is not a currency of three capital letters": not re.fullmatch(r"[A-Z]{3}", quote),
            f"quote «{quote}» stands here again": quote in rates,
            # Ten decimals: as many as `in_base` reckons with.
            f"rate «{rate}» is not a number above zero with at most 8 digits before and 10 after the point": (
                not re.fullmatch(r"\d{1,8}(\.\d{1,10})?", rate) or Decimal(rate) == 0
            ),
        }
        for problem, is_so in problems.items():
            if is_so:
                raise MalformedRow(f"{uri}:{line}: {problem}")
        rates[quote] = Rate(effective_date, quote, Decimal(rate), source)
    return rates


def rate_table(spark: SparkSession, rates: dict[str, Rate]) -> DataFrame:
    return spark.createDataFrame([(rate.quote, rate.rate) for rate in rates.values()], "currency STRING, rate DECIMAL(18,10)")


def transform(joined: DataFrame, rates: DataFrame, base_currency: str) -> DataFrame:
    return joined.join(F.broadcast(rates), on="currency", how="left").select(
        "order_id",
        "line_number",
        "order_date",
        "ordered_at",
        "updated_at",
        "customer_id",
        "item_id",
        "product_name",
        "brand",
        "category",
        "warehouse_id",
        "warehouse_name",
        "warehouse_country",
        "in_inventory",
        "quantity_on_hand",
        "quantity",
        "unit_price",
        "discount_amount",
        "currency",
        "amount",
        "rate",
        F.lit(base_currency).alias("base_currency"),
        in_base(F.col("amount"), F.col("rate")).alias("amount_base"),
    )


def in_base(amount: Column, rate: Column) -> Column:
    """amount / rate, rounded half up to cents, exactly.

    Spark keeps some 14 decimals of a quotient and rounds there, so that rounding it to cents rounds twice. Whole numbers don't:
    with both sides scaled to integers, half up is (2a + r) div 2r.
    """
    whole_cents = (F.abs(amount) * 100).cast("decimal(20,0)")
    whole_rate = (rate * 10_000_000_000).cast("decimal(18,0)")
    twice = (whole_cents * F.lit(Decimal(20_000_000_000))).cast("decimal(38,0)")
    doubled_rate = (whole_rate * 2).cast("decimal(38,0)")
    cents = F.call_function("div", twice + whole_rate, doubled_rate)
    return (F.signum(amount).cast("decimal(1,0)") * cents / 100).cast("decimal(18,2)")


def summarize(staged: DataFrame, night: Night, rates: list[Rate]) -> dict:
    """What the approver reads. Categories are ordered by revenue, then by name, so that a build has one summary."""
    figures = staged.agg(
        F.count_distinct("order_id").alias("orders"),
        F.count(F.lit(1)).alias("order_lines"),
        F.sum("amount_base").alias("revenue_base"),
        F.count_if(~F.col("in_inventory")).alias("unmatched_lines"),
    ).first()
    categories = (
        staged.groupBy("category")
        .agg(F.count(F.lit(1)).alias("order_lines"), F.sum("amount_base").alias("revenue_base"))
        .orderBy(F.col("revenue_base").desc(), F.col("category").asc_nulls_last())
        .collect()
    )
    # One of the base currency is one of it on every day: its own row says nothing about how old the rates are.
    foreign = [rate for rate in rates if rate.quote != night.base_currency] or rates
    return {
        "run_date": night.run_date,
        "run_id": night.run_id,
        "base_currency": night.base_currency,
        "orders": figures.orders,
        "order_lines": figures.order_lines,
        "revenue_base": str(figures.revenue_base),
        "unmatched_lines": figures.unmatched_lines,
        "rates": {
            "effective_date": min(rate.effective_date for rate in foreign),
            "source": foreign[0].source,
            "currencies": [rate.quote for rate in rates],
        },
        "categories": [
            {"category": row.category, "order_lines": row.order_lines, "revenue_base": str(row.revenue_base)} for row in categories
        ],
    }


def write_text(spark: SparkSession, uri: str, text: str) -> None:
    """Writes one small object through Hadoop, so that an address means the same in Glue and on a disk."""
    path = spark._jvm.org.apache.hadoop.fs.Path(uri)
    stream = path.getFileSystem(spark._jsc.hadoopConfiguration()).create(path, True)
    try:
        stream.write(bytearray(text, "utf-8"))
    finally:
        stream.close()


def write_counts(spark: SparkSession, output_uri: str, counts: dict[str, int]) -> None:
    """Logs what a run has counted, and keeps it beside the run's output."""
    print(json.dumps({"output": output_uri, "counts": counts}), flush=True)
    write_text(spark, output_uri.rstrip("/") + "/_counts.json", json.dumps(counts, indent=2) + "\n")


if __name__ == "__main__":
    main()
