"""The buckets of a test, and the jobs as modules."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from pyspark.sql import DataFrame, SparkSession

GLUE = Path(__file__).parents[1]


class Lake(NamedTuple):
    """The buckets `raw`, `work` and `warehouse`, in which each test has a folder of its own."""

    spark: SparkSession
    folder: Path
    test: str

    def uri(self, bucket: str, key: str = "") -> str:
        return f"s3://{bucket}/{self.test}/{key}"

    def path(self, uri: str) -> Path:
        return self.folder / uri.removeprefix("s3://")

    def put(self, uri: str, text: str) -> str:
        self.path(uri).parent.mkdir(parents=True, exist_ok=True)
        self.path(uri).write_text(text, encoding="utf-8")
        return uri

    def json(self, uri: str) -> Any:
        return json.loads(self.path(uri).read_text(encoding="utf-8"))

    def rows(self, uri: str) -> list[dict[str, Any]]:
        """Every row of the Parquet there, in an order of its own."""
        return sorted((row.asDict() for row in self.spark.read.parquet(uri).collect()), key=str)

    def table(self, rows: list[tuple[Any, ...]], schema: str) -> DataFrame:
        return self.spark.createDataFrame(rows, schema)


def load_job(name: str) -> ModuleType:
    """A job's script as a module: its file name is no module name."""
    specification = importlib.util.spec_from_file_location(name.replace("-", "_"), GLUE / "jobs" / f"{name}.py")
    assert specification and specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module
