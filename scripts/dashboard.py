"""Generates the CloudWatch dashboard of template.yaml: its widgets as JSON, one metric per line.

CloudFormation replaces `${…}`. The functions' own metrics have the dimensions of `demand_pipeline.observability`,
the metrics of AWS have the dimensions in its documentation.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from demand.cost import Settings
from demand_pipeline.builders import TABLES
from demand_pipeline.observability import NAMESPACE, SERVICE
from demand_pipeline.tables import camel_case

type Metric = list[Any]
type Widget = dict[str, Any]

_WIDTH, _HEIGHT, _COLUMNS = 8, 6, 24
_HOUR, _FIVE_MINUTES = 3600, 300
LOADING = ("CopyChunk", "LoadWarehouse")
FUNCTIONS = ("ScanSegment", *(f"Transform{camel_case(table)}" for table in TABLES), *LOADING)
ALARMS = (
    "RunFailedAlarm",
    "RunTimedOutAlarm",
    "RunAbortedAlarm",
    "QueuedStartAlarm",
    "LostAlertAlarm",
    "RepairFailedAlarm",
    *(f"{prefix}{camel_case(table)}Alarm" for prefix in ("NoSuccess", "Drift", "Shrunk") for table in TABLES),
    *(f"Throttled{name}Alarm" for name in FUNCTIONS),
    *(f"Slow{name}Alarm" for name in LOADING),
)


def body() -> str:
    """Return the JSON text of DashboardBody."""
    widgets = [_alarms(), *_placed(_graphs(), top=3)]
    return '{"widgets": [\n' + ",\n".join(map(_text, widgets)) + "\n]}\n"


def _graphs() -> list[Widget]:
    limit = Settings().timeout_seconds * 1000
    return [
        _graph("Runs", _of_runs("Succeeded", "Failed", "TimedOut", "Aborted"), "Sum", _HOUR),
        _graph("Rows loaded", _of_tables("RowsLoaded"), "Sum", _HOUR),
        _graph("Items rejected", _of_tables("ItemsRejected"), "Sum", _HOUR),
        _graph("Attributes that changed at the source", _of_tables("AttributesDrifted"), "Sum", _HOUR),
        _graph("Read units", _of_tables("ReadUnits"), "Sum", _HOUR),
        _graph("Duration of a run (ms)", [_of_machine("ExecutionTime")], "Maximum", _HOUR),
        _graph("Longest call of each function (ms)", _of_functions("Duration", FUNCTIONS), "Maximum", _HOUR),
        _graph(
            "Longest call of the load, and its limit (ms)",
            _of_functions("Duration", LOADING),
            "Maximum",
            _HOUR,
            annotations={"horizontal": [{"label": "limit", "value": limit}]},
        ),
        _graph("Seconds in the load, by table", _of_tables("LoadSeconds"), "Maximum", _HOUR),
        _graph(
            "Throttles: functions, reads of this account's tables, state machine",
            [
                *_of_functions("Throttles", FUNCTIONS),
                *(_metric("AWS/DynamoDB", "ReadThrottleEvents", TableName=_source(table)) for table in TABLES),
                _of_machine("ExecutionThrottled"),
            ],
            "Sum",
            _FIVE_MINUTES,
        ),
        _graph("Freshness: committed refreshes of each table", _of_tables("TableRefreshed"), "Sum", _HOUR),
    ]


def _metric(namespace: str, name: str, **dimensions: str) -> Metric:
    return [namespace, name, *(part for dimension in dimensions.items() for part in dimension)]


def _of_tables(name: str) -> list[Metric]:
    common = {"service": SERVICE, "stack": "${AWS::StackName}"}
    return [[*_metric(NAMESPACE, name, **common, table=table), {"label": table}] for table in TABLES]


def _of_functions(name: str, functions: Iterable[str]) -> list[Metric]:
    return [
        [*_metric("AWS/Lambda", name, FunctionName=f"${{{function}}}"), {"label": function}] for function in functions
    ]


def _of_machine(name: str) -> Metric:
    return [*_metric("AWS/States", name, StateMachineArn="${DemandPipeline}"), {"label": name}]


def _of_runs(*ends: str) -> list[Metric]:
    return [_of_machine(f"Executions{end}") for end in ends]


def _source(table: str) -> str:
    return f"${{{camel_case(TABLES[table].source)}Table}}"


def _graph(title: str, metrics: Sequence[Metric], statistic: str, period: int, **more: Any) -> Widget:
    properties = {
        "title": title,
        "region": "${AWS::Region}",
        "stat": statistic,
        "period": period,
        "yAxis": {"left": {"min": 0}},
        **more,
        "metrics": list(metrics),
    }
    return {"type": "metric", "properties": properties}


def _alarms() -> Widget:
    arns = [f"${{{alarm}.Arn}}" for alarm in ALARMS]
    place = {"x": 0, "y": 0, "width": _COLUMNS, "height": 3}
    return {"type": "alarm", **place, "properties": {"title": "Alarms", "alarms": arns}}


def _placed(graphs: Sequence[Widget], top: int) -> list[Widget]:
    """Place the graphs from left to right, row by row."""
    each_row = _COLUMNS // _WIDTH
    return [
        {
            "type": graph["type"],
            "x": number % each_row * _WIDTH,
            "y": top + number // each_row * _HEIGHT,
            "width": _WIDTH,
            "height": _HEIGHT,
            "properties": graph["properties"],
        }
        for number, graph in enumerate(graphs)
    ]


def _text(widget: Widget) -> str:
    """Return a widget as JSON, with each entry of its longest list on a separate line."""
    (name, entries) = list(widget["properties"].items())[-1]
    lines = ",\n".join(f"  {json.dumps(entry)}" for entry in entries)
    shown = {**widget, "properties": {**widget["properties"], name: "entries"}}
    return json.dumps(shown).replace(json.dumps("entries"), f"[\n{lines}\n]")
