"""The dashboard shows what is really emitted: by the functions in a run, or by AWS, as AWS documents it."""

import json
import re
from typing import Any

import pytest

from demand_pipeline.builders import TABLES
from tests.statemachine.conftest import Pipeline
from tests.statemachine.test_pipeline import of_every_table, succeeded
from tests.support.aws import STACK
from tests.support.functions import OF_A_RUN
from tests.template.loaded import FUNCTIONS, TEMPLATE, resources

# The metrics of AWS's services and the dimensions that they have, by their documentation:
# https://docs.aws.amazon.com/step-functions/latest/dg/procedure-cw-metrics.html
# https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html
OF_AWS = {
    ("AWS/States", name): {"StateMachineArn"}
    for name in (
        "ExecutionTime",
        "ExecutionThrottled",
        "ExecutionsAborted",
        "ExecutionsFailed",
        "ExecutionsSucceeded",
        "ExecutionsTimedOut",
    )
} | {
    ("AWS/Lambda", "Duration"): {"FunctionName"},
    ("AWS/Lambda", "Throttles"): {"FunctionName"},
    ("AWS/DynamoDB", "ReadThrottleEvents"): {"TableName"},
}
# What CloudFormation puts in for the name of such a resource is what the dimension has.
REFERENCES = {
    "StateMachineArn": "AWS::Serverless::StateMachine",
    "FunctionName": "AWS::Serverless::Function",
}

(PROPERTIES,) = resources("AWS::CloudWatch::Dashboard").values()
BODY = json.loads(PROPERTIES["DashboardBody"]["Fn::Sub"])
GRAPHS = {
    widget["properties"]["title"]: widget["properties"] for widget in BODY["widgets"] if widget["type"] == "metric"
}

type Metric = tuple[str, str, frozenset[tuple[str, str]]]


def shown() -> set[Metric]:
    """Namespace, name and dimensions of each metric in a graph."""
    found: set[Metric] = set()
    for graph in GRAPHS.values():
        for namespace, name, *rest in graph["metrics"]:
            texts = [part for part in rest if isinstance(part, str)]
            found.add((namespace, name, frozenset(zip(texts[::2], texts[1::2], strict=True))))
    return found


def emitted(output: str) -> set[Metric]:
    """The metrics in what functions wrote to standard output, in CloudWatch's embedded format."""
    found: set[Metric] = set()
    for line in output.splitlines():
        record = json.loads(line) if line.startswith("{") else {}
        for group in record.get("_aws", {}).get("CloudWatchMetrics", []):
            for dimensions in group["Dimensions"]:
                values = frozenset((name, record[name].replace(STACK, "${AWS::StackName}")) for name in dimensions)
                found.update((group["Namespace"], metric["Name"], values) for metric in group["Metrics"])
    return found


@pytest.mark.long
def test_every_metric_of_the_functions_in_the_dashboard_is_emitted_by_a_run(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    for table, items in of_every_table(2).items():
        pipeline.put(table, items)
    with pipeline.machine() as machine:
        succeeded(machine.start({}))
    own = {metric for metric in shown() if not metric[0].startswith("AWS/")}
    assert len(own) > len(TABLES)
    assert own - emitted(capsys.readouterr().out) == set()


def test_every_other_metric_in_the_dashboard_is_one_that_aws_documents() -> None:
    for namespace, name, dimensions in shown():
        if namespace.startswith("AWS/"):
            assert {key for key, _ in dimensions} == OF_AWS[namespace, name]


def test_dimensions_name_resources_and_parameters_of_the_template() -> None:
    text = PROPERTIES["DashboardBody"]["Fn::Sub"]
    known = {*TEMPLATE["Resources"], *TEMPLATE["Parameters"], "AWS::Region", "AWS::StackName"}
    assert {name.removesuffix(".Arn") for name in re.findall(r"\$\{(.+?)\}", text)} - known == set()
    for key, value in [dimension for _, _, dimensions in shown() for dimension in dimensions]:
        if key in REFERENCES:
            assert TEMPLATE["Resources"][value.strip("${}")]["Type"] == REFERENCES[key]


def test_every_function_table_and_alarm_is_on_the_dashboard() -> None:
    def named(graph: str, key: str) -> set[Any]:
        return {rest[rest.index(key) + 1] for rest in GRAPHS[graph]["metrics"] if key in rest}

    functions = {f"${{{name}}}" for name in FUNCTIONS if name in OF_A_RUN}
    assert named("Longest call of each function (ms)", "FunctionName") == functions
    assert named("Rows loaded", "table") == set(TABLES)
    (alarms,) = [widget["properties"]["alarms"] for widget in BODY["widgets"] if widget["type"] == "alarm"]
    assert set(alarms) == {f"${{{name}.Arn}}" for name in resources("AWS::CloudWatch::Alarm")}


def test_the_limit_of_the_load_is_the_functions_own_in_milliseconds() -> None:
    (limit,) = GRAPHS["Longest call of the load, and its limit (ms)"]["annotations"]["horizontal"]
    assert limit["value"] == TEMPLATE["Globals"]["Function"]["Timeout"] * 1000


def test_no_widget_covers_another_or_leaves_the_grid() -> None:
    """CloudWatch: 24 columns; a graph shows up to 500 metrics, and what overlaps is moved."""
    taken: set[tuple[int, int]] = set()
    for widget in BODY["widgets"]:
        cells = {
            (x, y)
            for x in range(widget["x"], widget["x"] + widget["width"])
            for y in range(widget["y"], widget["y"] + widget["height"])
        }
        assert max(x for x, _ in cells) < 24
        assert not cells & taken
        taken |= cells
