"""The inventory dimension, one row per item and warehouse.

A row without its key is left out and counted. Of several rows with one key the greatest counts, compared column by column, null least:
a snapshot has no newer and older. Items and warehouses that the snapshot describes nowhere keep their row, without a description.
"""

import json
import sys

from awsglue.utils import getResolvedOptions
from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

INVENTORY = "item_id STRING, warehouse_id STRING, quantity_on_hand INT"
ITEMS = "item_id STRING, product_name STRING, brand STRING, category STRING"
WAREHOUSES = "warehouse_id STRING, warehouse_name STRING, country STRING"


def main() -> None:
    options = getResolvedOptions(sys.argv, ["JOB_NAME", "run_date", "run_id", "input_uri", "output_uri"])
    spark = SparkSession.builder.appName(options["JOB_NAME"]).config("spark.sql.session.timeZone", "UTC").getOrCreate()
    run(spark, options["input_uri"], options["output_uri"])


def run(spark: SparkSession, input_uri: str, output_uri: str) -> None:
    def read(name: str, schema: str) -> DataFrame:
        return spark.read.schema(schema).parquet(f"{input_uri.rstrip('/')}/{name}/")

    stock = read("inventory", INVENTORY)
    transform(stock, read("items", ITEMS), read("warehouses", WAREHOUSES)).write.mode("overwrite").parquet(output_uri)

    rows = stock.count()
    without_key = stock.where(F.col("item_id").isNull() | F.col("warehouse_id").isNull()).count()
    kept = spark.read.parquet(output_uri).count()
    write_counts(spark, output_uri, {"rows": kept, "without_key": without_key, "superseded": rows - without_key - kept})


def transform(inventory: DataFrame, items: DataFrame, warehouses: DataFrame) -> DataFrame:
    return (
        one_per_key(inventory, ["item_id", "warehouse_id"])
        .join(one_per_key(items, ["item_id"]), on="item_id", how="left")
        .join(one_per_key(warehouses, ["warehouse_id"]), on="warehouse_id", how="left")
        .select(
            "item_id",
            "warehouse_id",
            "product_name",
            "brand",
            "category",
            "warehouse_name",
            F.col("country").alias("warehouse_country"),
            "quantity_on_hand",
        )
    )


def one_per_key(table: DataFrame, keys: list[str]) -> DataFrame:
    greatest_first = [F.col(column).desc_nulls_last() for column in table.columns]
    return table.dropna(subset=keys).withColumn("rank", best_of(keys, greatest_first)).where(F.col("rank") == 1).select(*table.columns)


def best_of(keys: list[str], columns: list[Column]) -> Column:
    """The rank of a row among those with the same keys: 1 is kept. Pass an order over all columns, so that a tie is between equal rows."""
    return F.row_number().over(Window.partitionBy(*keys).orderBy(*columns))


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
