"""All jobs on a day of orders, held against a reckoning without Spark, the quality rules, and the tables of the catalog."""

import json
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import pytest
from data.day import Fault, write_day
from data.reckon import reckon
from data.tpcds import Tables
from lake import GLUE, Lake, load_job
from pyspark.sql import functions as F
from spark_runner.quality import QualityRequest, judge

RUN_DATE = "2026-11-20"
RATES = {"CHF": "0.9316", "DKK": "7.4685", "EUR": "1", "GBP": "0.8812", "JPY": "181.33", "SEK": "10.9915", "USD": "1.1523"}
RULESET = (GLUE / "quality" / "orders_curated.dqdl").read_text()

extract_orders = load_job("extract-orders")
extract_inventory = load_job("extract-inventory")
transform_orders = load_job("transform-orders")
transform_inventory = load_job("transform-inventory")
join_fact_dim = load_job("join-fact-dim")
apply_fx = load_job("apply-fx")
publish = load_job("publish-to-warehouse")


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    return Tables(tmp_path_factory.mktemp("tables"), lambda line: None)


def test_a_night_agrees_with_the_reckoning_passes_its_rules_and_fits_its_tables(lake: Lake, tables: Tables) -> None:
    night = build(lake, tables, None)
    summary = lake.json(night.staged + "_summary.json")
    assert {name: summary[name] for name in ("order_lines", "revenue_base")} == reckon(night.orders, night.rates, "EUR")

    judged = judge_staged(lake, night.staged)
    assert {rule["Description"]: rule["Result"] for rule in judged["RuleResults"]} == {
        rule["Description"]: "PASS" for rule in judged["RuleResults"]
    }
    assert judged["Score"] == 1.0

    catalog = json.loads((GLUE / "tables.json").read_text())
    staged = lake.spark.read.parquet(night.staged)
    assert [{"Name": name, "Type": kind} for name, kind in staged.dtypes] == catalog["orders_staged"]["columns"]

    publish.publish(lake.spark, night.staged, lake.uri("warehouse", "orders/"))
    curated = lake.spark.read.parquet(lake.uri("warehouse", "orders/"))
    described = catalog["orders_curated"]["columns"] + catalog["orders_curated"]["partitionKeys"]
    assert [{"Name": name, "Type": kind} for name, kind in curated.dtypes] == described
    assert str(curated.agg(F.sum("amount_base")).first()[0]) == summary["revenue_base"]


def test_planted_faults_break_the_rules_that_they_are_meant_for(lake: Lake, tables: Tables) -> None:
    judged = judge_staged(lake, build(lake, tables, Fault.QUALITY).staged)
    assert [rule["Description"] for rule in judged["RuleResults"] if rule["Result"] != "PASS"] == [
        'Completeness "category" >= 0.98',
        'ColumnValues "quantity" between 0 and 10000',
        'ColumnValues "amount_base" >= 0',
    ]
    assert judged["Score"] == 0.7
    messages = [rule["EvaluationMessage"] for rule in judged["RuleResults"] if rule["Result"] != "PASS"]
    assert all(message.startswith("Value: 0.9") for message in messages)


def build(lake: Lake, tables: Tables, fault: Fault | None) -> SimpleNamespace:
    """Runs every job up to the staged build."""
    raw, work = lake.uri("raw"), lake.uri("work", "night/")
    day: Path = lake.path(raw)
    write_day(tables, date.fromisoformat(RUN_DATE), 400, day, fault, lambda line: None)
    rates = [f"{RUN_DATE},2026-11-19,EUR,{currency},{rate},frankfurter\n" for currency, rate in RATES.items()]
    rates_uri = lake.put(lake.uri("warehouse", "rates.csv"), "rate_date,effective_date,base,quote,rate,source\n" + "".join(rates))

    extract_orders.run(lake.spark, RUN_DATE, f"{raw}orders/order_date={RUN_DATE}/", work + "extract-orders/")
    extract_inventory.run(lake.spark, f"{raw}inventory/snapshot_date={RUN_DATE}/", work + "extract-inventory/")
    transform_orders.run(lake.spark, work + "extract-orders/", work + "transform-orders/")
    transform_inventory.run(lake.spark, work + "extract-inventory/", work + "transform-inventory/")
    join_fact_dim.run(lake.spark, work + "transform-orders/", work + "transform-inventory/", work + "join-fact-dim/")
    night = apply_fx.Night(RUN_DATE, "night-1", "EUR")
    apply_fx.run(lake.spark, night, work + "join-fact-dim/", rates_uri, work + "apply-fx/")
    return SimpleNamespace(staged=work + "apply-fx/", orders=day / "orders" / f"order_date={RUN_DATE}", rates=lake.path(rates_uri))


def judge_staged(lake: Lake, staged: str) -> dict:
    request = QualityRequest(RULESET, "orders_curated", staged, {"run_date": RUN_DATE, "run_id": "night-1"})
    return judge(lake.spark, lake.folder, request)
