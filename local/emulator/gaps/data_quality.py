"""Glue Data Quality: rulesets, evaluation runs and their results.

AWS ("Data Quality API"): a ruleset holds DQDL text; an evaluation run judges a table of the catalog, goes from STARTING
over RUNNING to SUCCEEDED, FAILED or TIMEOUT, and names its results; SUCCEEDED says only that the rules were judged.
"AWS::Glue::DataQualityRuleset" makes a ruleset from a template.

MiniStack 1.5.33 has none of it. Here the Spark runner judges the rules.
"""

from __future__ import annotations

import contextvars
import json
import logging
import secrets
import threading
import time
from collections.abc import Callable
from typing import Any

from ministack.core.responses import error_response_json, json_response, new_uuid
from ministack.services.cloudformation import provisioners

from emulator import settings
from emulator.catalog import Table, find_table
from emulator.replacing import replaces
from emulator.spark_runner import SparkRunner, Unreachable

logger = logging.getLogger("emulator.glue")
_GOING = ("STARTING", "RUNNING")
_DEFAULT_TIMEOUT_MINUTES = 120
_rulesets: dict[str, dict[str, Any]] = {}
_runs: dict[str, dict[str, Any]] = {}
_results: dict[str, dict[str, Any]] = {}
_runs_by_client_token: dict[str, str] = {}


class Refused(Exception):
    """A request that Glue refuses, with the error's name."""

    def __init__(self, error: str, message: str) -> None:
        super().__init__(message)
        self.error = error


@replaces("ministack.services.glue:_handle_request_sync", "23d06ad23cad5713")
def handle_request(stock: Callable[..., Any], method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]) -> Any:
    """Answer the Data Quality actions; all others are MiniStack's."""
    action = _ACTIONS.get(headers.get("x-amz-target", "").rpartition(".")[2])
    if action is None:
        return stock(method, path, headers, body, query)
    try:
        return json_response(action(json.loads(body or b"{}")))
    except Refused as refusal:
        return error_response_json(refusal.error, str(refusal), 400)


def set_up() -> None:
    """Let CloudFormation make, change and delete rulesets."""
    provisioners._RESOURCE_HANDLERS["AWS::Glue::DataQualityRuleset"] = {
        "create": _create_from_template,
        "update": _update_from_template,
        "delete": lambda name, _properties: _rulesets.pop(name, None),
    }


def _create_from_template(logical_id: str, properties: dict[str, Any], stack_name: str) -> tuple[str, dict[str, Any]]:
    name = properties.get("Name") or f"{stack_name}-{logical_id}-{secrets.token_hex(6)}"
    _create_ruleset({**properties, "Name": name})
    return name, {}


def _update_from_template(
    name: str, _old: dict[str, Any], new: dict[str, Any], stack_name: str, logical_id: str = ""
) -> tuple[str, dict[str, Any]]:
    if new.get("Name", name) != name:
        made = _create_from_template(logical_id, new, stack_name)
        _rulesets.pop(name, None)
        return made
    _update_ruleset({**new, "Name": name})
    return name, {}


def _create_ruleset(request: dict[str, Any]) -> dict[str, Any]:
    name = request.get("Name", "")
    if name in _rulesets:
        raise Refused("AlreadyExistsException", f"Data quality ruleset already exists: {name}")
    if not str(request.get("Ruleset", "")).strip():
        raise Refused("InvalidInputException", f"The ruleset {name} has no rules.")
    moment = time.time()
    kept = ("Name", "Description", "Ruleset", "TargetTable")
    _rulesets[name] = {
        **{key: request[key] for key in kept if key in request},
        "CreatedOn": moment,
        "LastModifiedOn": moment,
    }
    return {"Name": name}


def _update_ruleset(request: dict[str, Any]) -> dict[str, Any]:
    ruleset = _ruleset(request)
    changed = {key: request[key] for key in ("Description", "Ruleset", "TargetTable") if key in request}
    ruleset.update(changed, LastModifiedOn=time.time())
    return {key: ruleset[key] for key in ("Name", "Description", "Ruleset") if key in ruleset}


def _delete_ruleset(request: dict[str, Any]) -> dict[str, Any]:
    del _rulesets[_ruleset(request)["Name"]]
    return {}


def _list_rulesets(_request: dict[str, Any]) -> dict[str, Any]:
    return {"Rulesets": [{key: value for key, value in one.items() if key != "Ruleset"} for one in _rulesets.values()]}


def _ruleset(request: dict[str, Any]) -> dict[str, Any]:
    name = request.get("Name", "")
    if name not in _rulesets:
        raise Refused("EntityNotFoundException", f"Data quality ruleset not found: {name}")
    return _rulesets[name]


def _start_run(request: dict[str, Any]) -> dict[str, Any]:
    client_token = request.get("ClientToken")
    if client_token in _runs_by_client_token:
        return {"RunId": _runs_by_client_token[client_token]}
    source = (request.get("DataSource") or {}).get("GlueTable") or {}
    table = find_table(source.get("DatabaseName", ""), source.get("TableName", ""))
    if table is None:
        raise Refused("EntityNotFoundException", f"Table not found: {source.get('DatabaseName')}.{source.get('TableName')}")
    names = request.get("RulesetNames") or []
    rulesets = [_ruleset({"Name": name}) for name in names]
    if not rulesets:
        raise Refused("InvalidInputException", "RulesetNames is empty.")
    run_id = f"dqrun-{secrets.token_hex(20)}"
    moment = time.time()
    run = _runs[run_id] = {
        "RunId": run_id,
        "DataSource": request["DataSource"],
        "Role": request.get("Role", ""),
        "NumberOfWorkers": request.get("NumberOfWorkers", 5),
        "Timeout": int(request.get("Timeout") or _DEFAULT_TIMEOUT_MINUTES),
        "Status": "STARTING",
        "StartedOn": moment,
        "LastModifiedOn": moment,
        "RulesetNames": names,
    }
    if client_token:
        _runs_by_client_token[client_token] = run_id
    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(_judge, run, table, rulesets), daemon=True, name=run_id).start()
    return {"RunId": run_id}


def _judge(run: dict[str, Any], table: Table, rulesets: list[dict[str, Any]]) -> None:
    run["Status"] = "RUNNING"
    try:
        result_ids = [_judge_by(run, table, ruleset) for ruleset in rulesets]
    except Exception as problem:  # Whatever goes wrong, the run must end, and its status must say so.
        logger.warning("The quality run %s failed: %s", run["RunId"], problem)
        run["ErrorString"] = str(problem)
        status = "TIMEOUT" if isinstance(problem.__cause__, TimeoutError) else "FAILED"
    else:
        run["ResultIds"] = result_ids
        status = "SUCCEEDED"
    run["CompletedOn"] = run["LastModifiedOn"] = time.time()
    run["ExecutionTime"] = int(run["CompletedOn"] - run["StartedOn"])
    if run["Status"] in _GOING:
        run["Status"] = status


def _judge_by(run: dict[str, Any], table: Table, ruleset: dict[str, Any]) -> str:
    options = run["DataSource"]["GlueTable"].get("AdditionalOptions") or {}
    predicate = options.get("pushDownPredicate") or options.get("pushdownPredicate") or ""
    selected = table.selected_by(predicate)
    if table.keys and not selected:
        raise Unreachable(f"No partition of {table.database}.{table.name} matches: {predicate or 'no partition is registered'}")
    one = selected[0] if len(selected) == 1 else None
    started = time.time()
    judged = SparkRunner(settings.current().spark_runner).judge(
        {
            "ruleset": ruleset["Ruleset"],
            "rulesetName": ruleset["Name"],
            "database": table.database,
            "table": table.name,
            "location": one.location if one else table.location,
            "partition": dict(zip(table.keys, one.values, strict=True)) if one else {},
        },
        timeout_seconds=run["Timeout"] * 60,
    )
    result_id = f"dqresult-{secrets.token_hex(20)}"
    _results[result_id] = {
        "ResultId": result_id,
        "Score": judged["Score"],
        "DataSource": run["DataSource"],
        "RulesetName": ruleset["Name"],
        "EvaluationContext": new_uuid(),
        "StartedOn": started,
        "CompletedOn": time.time(),
        "RulesetEvaluationRunId": run["RunId"],
        "RuleResults": judged["RuleResults"],
    }
    return result_id


def _get_run(request: dict[str, Any]) -> dict[str, Any]:
    run = _runs.get(request.get("RunId", ""))
    if run is None:
        raise Refused("EntityNotFoundException", f"Data quality ruleset evaluation run not found: {request.get('RunId')}")
    return run


def _cancel_run(request: dict[str, Any]) -> dict[str, Any]:
    run = _get_run(request)
    if run["Status"] in _GOING:
        run["Status"] = "STOPPED"
    return {}


def _get_result(request: dict[str, Any]) -> dict[str, Any]:
    result = _results.get(request.get("ResultId", ""))
    if result is None:
        raise Refused("EntityNotFoundException", f"Data quality result not found: {request.get('ResultId')}")
    return result


_ACTIONS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "CreateDataQualityRuleset": _create_ruleset,
    "GetDataQualityRuleset": lambda request: _ruleset(request),
    "UpdateDataQualityRuleset": _update_ruleset,
    "DeleteDataQualityRuleset": _delete_ruleset,
    "ListDataQualityRulesets": _list_rulesets,
    "StartDataQualityRulesetEvaluationRun": _start_run,
    "GetDataQualityRulesetEvaluationRun": _get_run,
    "CancelDataQualityRulesetEvaluationRun": _cancel_run,
    "GetDataQualityResult": _get_result,
}
