"""One Spark for all tests, the one of the local night, with three buckets on a disk."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from lake import GLUE, Lake
from pyspark.sql import SparkSession

sys.path.insert(0, str(GLUE.parent / "local"))

from spark_runner.session import open_session


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
