"""One Spark for all tests, the one of the local night, with three buckets on a disk."""

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
from pyspark.sql import DataFrame, SparkSession

GLUE = Path(__file__).parents[1]
sys.path.insert(0, str(GLUE.parent / "local"))

from spark_runner.session import open_session  # noqa: E402 - the path comes first


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


@pytest.fixture(scope="session")
def buckets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("buckets")
    for bucket in ("raw", "work", "warehouse"):
        (folder / bucket).mkdir()
    return folder


@pytest.fixture(scope="session")
def spark(buckets: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    session = open_session(buckets, tmp_path_factory.mktemp("scratch"))
    yield session
    session.stop()


@pytest.fixture
def lake(spark: SparkSession, buckets: Path, request: pytest.FixtureRequest) -> Lake:
    return Lake(spark, buckets, f"{request.node.originalname}-{abs(hash(request.node.name))}")


def load_job(name: str) -> ModuleType:
    """A job's script as a module: its file name is no module name."""
    specification = importlib.util.spec_from_file_location(name.replace("-", "_"), GLUE / "jobs" / f"{name}.py")
    assert specification and specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module
