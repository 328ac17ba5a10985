"""What the Glue catalog says about a table's partitions, and which of them a predicate selects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import duckdb
import sqlglot
from ministack.services import glue

_DUCKDB_TYPES = {
    "boolean": "BOOLEAN",
    "tinyint": "TINYINT",
    "smallint": "SMALLINT",
    "int": "INTEGER",
    "integer": "INTEGER",
    "bigint": "BIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "string": "VARCHAR",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "binary": "BLOB",
}


@dataclass(frozen=True)
class Partition:
    """A registered partition: the values of its keys, and where its files are."""

    values: tuple[str, ...]
    location: str


@dataclass(frozen=True)
class Table:
    """A table of the catalog. Column types are written as the catalog has them."""

    database: str
    name: str
    location: str
    columns: Mapping[str, str]
    keys: Mapping[str, str]
    partitions: tuple[Partition, ...]
    is_parquet: bool

    def selected_by(self, predicate: str) -> tuple[Partition, ...]:
        """The partitions that a predicate in Spark's SQL selects (Glue's "pushDownPredicate")."""
        if not predicate:
            return self.partitions
        condition = sqlglot.transpile(predicate, read="spark", write="duckdb")[0]
        with duckdb.connect(":memory:") as connection:
            names = ", ".join(f"{quoted(key)} {duckdb_type(kind)}" for key, kind in self.keys.items())
            connection.execute(f"CREATE TABLE partitions (position INTEGER, {names})")
            marks = ", ".join("?" for _ in range(len(self.keys) + 1))
            for position, partition in enumerate(self.partitions):
                connection.execute(f"INSERT INTO partitions VALUES ({marks})", [position, *partition.values])
            rows = connection.execute(f"SELECT position FROM partitions WHERE {condition} ORDER BY 1").fetchall()
        return tuple(self.partitions[position] for (position,) in rows)


def find_table(database: str, name: str) -> Table | None:
    """A table with its registered partitions, or None where there is no such table."""
    record = glue._tables.get(f"{database}/{name}")
    if record is None:
        return None
    storage = record.get("StorageDescriptor") or {}
    return Table(
        database=database,
        name=name,
        location=storage.get("Location", ""),
        columns=_types(storage.get("Columns")),
        keys=_types(record.get("PartitionKeys")),
        partitions=tuple(
            Partition(
                values=tuple(str(value) for value in partition["Values"]),
                location=(partition.get("StorageDescriptor") or {}).get("Location", ""),
            )
            for partition in glue._partitions.get(f"{database}/{name}", [])
        ),
        is_parquet="parquet" in str(storage.get("InputFormat", "")).lower()
        or "parquet" in str((storage.get("SerdeInfo") or {}).get("SerializationLibrary", "")).lower(),
    )


def duckdb_type(catalog_type: str) -> str:
    """The DuckDB type of a catalog column; a type that DuckDB need not know is text."""
    kind = catalog_type.lower().strip()
    if kind.startswith("decimal"):
        return kind.upper()
    return _DUCKDB_TYPES.get(kind.split("(")[0], "VARCHAR")


def quoted(name: str) -> str:
    """A name as a SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as a SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def _types(columns: list[dict[str, Any]] | None) -> dict[str, str]:
    return {column["Name"]: str(column.get("Type", "string")) for column in columns or []}
