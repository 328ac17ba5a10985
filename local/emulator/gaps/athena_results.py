"""A query's result lies where its OutputLocation says.

AWS ("GetQueryExecution", ResultConfiguration): OutputLocation is the location of the result file, `<folder>/<id>.csv`.

MiniStack 1.5.33 takes that file's name for a folder and writes `<folder>/<id>.csv/<id>.csv`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ministack.services import athena

from emulator.replacing import replaces


@replaces("ministack.services.athena:_save_query_results", "4ff2ac770a744f4b")
async def save_query_results(stock: Callable[[str], Awaitable[None]], query_id: str) -> None:
    """Let MiniStack write into the folder, then name the file again."""
    configuration = athena._executions[query_id]["ResultConfiguration"]
    location = configuration["OutputLocation"]
    configuration["OutputLocation"] = location.removesuffix(f"{query_id}.csv")
    try:
        await stock(query_id)
    finally:
        configuration["OutputLocation"] = location
