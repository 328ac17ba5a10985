"""Athena reads Parquet tables through the catalog: registered partitions only, each at its own location.

AWS ("Partition your data"): a query reads the partitions that the catalog knows, wherever each of them is; a folder that
was never registered is not read. Queries are written in Trino's SQL, such as `DATE '2026-11-20'`.

MiniStack 1.5.33 reads every file under the table's location, takes partition values from the names of folders, and
hands the query to DuckDB as it is. Tables of other formats stay with MiniStack.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
from collections.abc import Awaitable, Callable
from typing import Any

import duckdb
import sqlglot
from ministack.core.responses import get_account_id
from ministack.services import athena
from sqlglot import exp

from emulator import settings
from emulator.catalog import Table, duckdb_type, find_table, literal, quoted
from emulator.replacing import replaces

_Rows = dict[str, Any]


@replaces("ministack.services.athena:_run_duckdb", "734c2e91cdac17e0")
async def run_query(stock: Callable[..., Awaitable[_Rows]], query: str, database: str, catalog: str | None = None) -> _Rows:
    """Run a SELECT over Parquet tables; anything else is MiniStack's."""
    try:
        statement = sqlglot.parse_one(query, read="athena")
    except sqlglot.errors.ParseError:
        return await stock(query, database, catalog)
    tables = _tables_of(statement, database or "default")
    if not tables or not all(table.is_parquet for table in tables):
        return await stock(query, database, catalog)
    # DuckDB blocks its thread, and the event loop has other requests to answer.
    return await asyncio.to_thread(contextvars.copy_context().run, _select, statement, tables)


def _tables_of(statement: exp.Expression, database: str) -> list[Table]:
    """The catalog's tables in a query, which is changed to name each as `"database"."table"`."""
    names_of_with = {common.alias_or_name for common in statement.find_all(exp.CTE)}
    tables: dict[tuple[str, str], Table] = {}
    for reference in statement.find_all(exp.Table):
        if not reference.db and reference.name in names_of_with:
            continue
        owner = reference.db or database
        table = find_table(owner, reference.name)
        if table is None:
            raise ValueError(f"TABLE_NOT_FOUND: Table 'awsdatacatalog.{owner}.{reference.name}' does not exist")
        tables[owner, table.name] = table
        reference.set("catalog", None)
        reference.set("db", exp.to_identifier(owner, quoted=True))
    return list(tables.values())


def _select(statement: exp.Expression, tables: list[Table]) -> _Rows:
    with duckdb.connect(":memory:") as connection:
        for table in tables:
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(table.database)}")
            connection.execute(f"CREATE VIEW {quoted(table.database)}.{quoted(table.name)} AS {_relation(connection, table)}")
        result = connection.execute(statement.sql(dialect="duckdb"))
        described = result.description or []
        return {
            "columns": [column[0] for column in described],
            "column_types": [_athena_type(str(column[1])) for column in described],
            "rows": [list(row) for row in result.fetchall()],
        }


def _relation(connection: duckdb.DuckDBPyConnection, table: Table) -> str:
    if not table.keys:
        return _files_relation(connection, table, table.location, {}) or _empty_relation(table)
    parts = (
        _files_relation(connection, table, partition.location, dict(zip(table.keys, partition.values, strict=True)))
        for partition in table.partitions
    )
    return " UNION ALL ".join(part for part in parts if part) or _empty_relation(table)


def _files_relation(connection: duckdb.DuckDBPyConnection, table: Table, location: str, values: dict[str, str]) -> str | None:
    files = _files_at(location)
    if not files:
        return None
    source = f"read_parquet([{', '.join(literal(file) for file in files)}], union_by_name = true, hive_partitioning = false)"
    present = {row[0].lower() for row in connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()}
    columns = [
        f"CAST({quoted(name) if name.lower() in present else 'NULL'} AS {duckdb_type(kind)}) AS {quoted(name)}"
        for name, kind in table.columns.items()
    ]
    columns += [f"CAST({literal(values[key])} AS {duckdb_type(kind)}) AS {quoted(key)}" for key, kind in table.keys.items()]
    return f"SELECT {', '.join(columns)} FROM {source}"


def _empty_relation(table: Table) -> str:
    columns = {**table.columns, **table.keys}
    return f"SELECT {', '.join(f'CAST(NULL AS {duckdb_type(kind)}) AS {quoted(name)}' for name, kind in columns.items())} WHERE false"


def _files_at(location: str) -> list[str]:
    """The files at a location on disk, without those that begin with `_` or `.`, as Trino skips them."""
    bucket, _, prefix = location.removeprefix("s3://").partition("/")
    root = settings.current().objects / get_account_id() / bucket / prefix
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(("_", "."))]
        found += [os.path.join(folder, name) for name in names if not name.startswith(("_", "."))]
    return sorted(found)


def _athena_type(kind: str) -> str:
    name = kind.upper().partition("(")[0].strip()
    return athena._DUCKDB_TYPE_MAP.get(name, "varchar")
