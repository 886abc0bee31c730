"""The messages about a run: the events that lead to them, and their completeness."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from moto.events.models import EventPattern

from demand_pipeline.cures import PASSING
from tests.statemachine.harness import REPAIR_SUBSTITUTIONS
from tests.template.loaded import PARAMETERS, TEMPLATE, resources

RULES = resources("AWS::Events::Rule")
ALARMS = resources("AWS::CloudWatch::Alarm")
FAILED, ABORTED, RECOVERED = "RunFailedRule", "RunAbortedRule", "RunRecoveredRule"
REPAIR, COMMITTED = "RunRepairRule", "RunCommittedRule"
REPORTS = (FAILED, ABORTED, RECOVERED)
MACHINE = "arn:aws:states:eu-west-1:111122223333:stateMachine:demand-pipeline-dev-0123456789ab"
RUN = "arn:aws:states:eu-west-1:111122223333:execution:demand-pipeline-dev-0123456789ab:nightly"
RUNBOOK = "https://example.com/runbook"


def event(status: str, redrives: int = 0, **detail: Any) -> Any:
    """A status change as Step Functions documents it, as far as the rules read it."""
    return {
        "source": "aws.states",
        "detail-type": "Step Functions Execution Status Change",
        "time": "2026-11-27T03:12:45Z",
        "detail": {
            "executionArn": RUN,
            "stateMachineArn": MACHINE,
            "name": "nightly",
            "status": status,
            "startDate": 1_796_094_000_000,
            "output": None,
            "error": None,
            "redriveCount": redrives,
            "redriveStatus": "REDRIVABLE",
            **detail,
        },
    }


def chosen(node: Any, *, repairs: bool) -> Any:
    """A part of the template, with the branches that it has with automatic redrives, or without."""
    if isinstance(node, list):
        return [chosen(each, repairs=repairs) for each in node]
    if not isinstance(node, dict):
        return node
    if "Fn::If" in node:
        condition, then, otherwise = node["Fn::If"]
        assert condition == "RepairsItself"
        return chosen(then if repairs else otherwise, repairs=repairs)
    return {key: chosen(value, repairs=repairs) for key, value in node.items()}


def matching(change: Any, *, repairs: bool = True) -> list[str]:
    def matches(rule: Any) -> bool:
        pattern = json.dumps(rule["EventPattern"]).replace(json.dumps({"Ref": "DemandPipeline"}), json.dumps(MACHINE))
        return EventPattern.load(pattern).matches_event(change)

    rules = chosen(RULES, repairs=repairs)
    return [name for name, rule in rules.items() if rule.get("State", "ENABLED") == "ENABLED" and matches(rule)]


def message(rule: str, change: Any) -> dict[str, Any]:
    """Transform an event like EventBridge: between quotes a value is inserted unchanged, elsewhere as JSON."""
    transformer = RULES[rule]["Targets"][0]["InputTransformer"]
    text = transformer["InputTemplate"]
    if rule in REPORTS:
        text, names = text["Fn::Sub"]
        assert names == {"Console": {"Fn::FindInMap": ["Console", {"Ref": "AWS::Partition"}, "Host"]}}
    assert set(re.findall(r"<(\w+)>", text)) == set(transformer["InputPathsMap"])
    for name, given in {"RunbookUrl": RUNBOOK, "AWS::Region": "eu-west-1", "Console": "console.example.com"}.items():
        text = text.replace(f"${{{name}}}", given)
    for name, path in transformer["InputPathsMap"].items():
        value = change
        for step in path.removeprefix("$.").split("."):
            value = value[step]
        text = text.replace(f"[<{name}>]", f"[{'' if value is None else json.dumps(value)}]")
        text = text.replace(f"<{name}>", str(value))
    found: dict[str, Any] = json.loads(text)
    return found


def named(value: Any) -> str:
    detail = value["detail"] if isinstance(value, dict) else {}
    return " ".join(str(detail[name]) for name in ("status", "redriveCount", "error") if name in detail)


@pytest.mark.parametrize(
    ("change", "with_repair", "without"),
    [
        (event("FAILED", error="StagingError"), [FAILED], [FAILED]),
        (event("FAILED", redrives=2, error="StagingError"), [FAILED], [FAILED]),
        (event("FAILED", error="TransientError"), [REPAIR], [FAILED]),
        (event("FAILED", redrives=2, error="TransientError"), [REPAIR], [FAILED]),
        (event("FAILED", redrives=3, error="TransientError"), [FAILED], [FAILED]),
        (event("FAILED", error="TransientError", redriveStatus="NOT_REDRIVABLE"), [FAILED], [FAILED]),
        (event("TIMED_OUT", error="States.Timeout"), [FAILED], [FAILED]),
        (event("ABORTED"), [ABORTED], [ABORTED]),
        (event("SUCCEEDED", redrives=1), [RECOVERED], [RECOVERED]),
        (event("SUCCEEDED"), [COMMITTED], [COMMITTED]),
        (event("RUNNING", redrives=1), [], []),
        (event("FAILED", stateMachineArn=f"{MACHINE}2"), [], []),
    ],
    ids=named,
)
def test_each_end_of_a_run_is_reported_or_followed_up_once(
    change: dict[str, Any], with_repair: list[str], without: list[str]
) -> None:
    assert matching(change) == with_repair
    assert matching(change, repairs=False) == without


@pytest.mark.parametrize("redrives", range(5))
@pytest.mark.parametrize("error", [*PASSING, "StagingError", "Lambda.AWSLambdaException", "ZeroDivisionError"])
def test_every_failure_is_either_reported_or_redriven(error: str, redrives: int) -> None:
    redriven = error in PASSING and redrives < 3
    assert matching(event("FAILED", redrives, error=error)) == [REPAIR if redriven else FAILED]


def test_an_alarm_on_each_failure_stays_silent_where_failures_are_redriven() -> None:
    alarm = ALARMS["RunFailedAlarm"]
    assert [chosen(alarm, repairs=repairs)["ActionsEnabled"] for repairs in (True, False)] == [False, True]
    minutes = TEMPLATE["Conditions"]["RepairsItself"]
    assert minutes == {"Fn::Not": [{"Fn::Equals": [{"Ref": "SelfRepairMinutes"}, "0"]}]}


def test_the_machine_that_follows_up_gets_what_it_needs_and_no_cause() -> None:
    assert message(REPAIR, event("FAILED", 1, error="TransientError", cause='has "data"')) == {
        "status": "FAILED",
        "name": "nightly",
        "arn": RUN,
        "error": "TransientError",
        "redrives": 1,
    }
    output = '{"committed":true,"tables":[]}'
    ended = {"status": "SUCCEEDED", "name": "nightly", "arn": RUN, "started": 1_796_094_000_000}
    assert message(COMMITTED, event("SUCCEEDED", output=output)) == {**ended, "output": [output]}
    assert message(COMMITTED, event("SUCCEEDED")) == {**ended, "output": []}


def test_the_machine_that_follows_up_gets_every_substitution() -> None:
    machine = resources("AWS::Serverless::StateMachine")["RepairRun"]
    assert set(machine["DefinitionSubstitutions"]) == set(REPAIR_SUBSTITUTIONS)
    assert machine["Logging"]["IncludeExecutionData"] is False


@pytest.mark.parametrize("rule", [FAILED, ABORTED])
def test_a_message_does_not_claim_what_the_warehouse_shows(rule: str) -> None:
    found = message(rule, event("FAILED", error="StagingError"))
    assert "demand show nightly shows the state of the warehouse" in found["next"]
    assert "still shows" not in json.dumps(RULES) + json.dumps(ALARMS)


def test_a_failed_run_names_its_error_its_heading_in_the_runbook_and_the_command_that_redrives_it() -> None:
    found = message(FAILED, event("FAILED", error="DynamoDb.ResourceNotFoundException"))
    assert (found["error"], found["runbook"]) == (
        "DynamoDb.ResourceNotFoundException",
        f"{RUNBOOK}#DynamoDb.ResourceNotFoundException",
    )
    command = f"aws stepfunctions redrive-execution --region eu-west-1 --execution-arn {RUN}"
    assert (found["redrive"], found["redriveStatus"]) == (command, "REDRIVABLE")
    assert found["console"].endswith(RUN)


@pytest.mark.parametrize("error", [None, "stopped", 'he said "no"\\'], ids=["none", "text", "text with quotes"])
def test_the_message_of_a_stopped_run_is_json_whatever_was_given_as_its_error(error: str | None) -> None:
    found = message(ABORTED, event("ABORTED", error=error))
    assert found["error"] == ([] if error is None else [error])
    assert found["redrive"].endswith(RUN)


def test_a_run_that_succeeds_after_a_redrive_says_how_often_it_was_redriven() -> None:
    found = message(RECOVERED, event("SUCCEEDED", redrives=3))
    assert (found["run"], found["redrives"]) == ("nightly", 3)


@pytest.mark.parametrize("name", [*REPORTS, REPAIR, COMMITTED])
def test_a_message_that_cannot_be_delivered_is_kept_and_only_the_rules_may_keep_it(name: str) -> None:
    (target,) = RULES[name]["Targets"]
    assert target["Arn"] == {"Ref": "AlarmTopic" if name in REPORTS else "RepairRun"}
    assert target["DeadLetterConfig"] == {"Arn": {"Fn::GetAtt": ["AlertDeadLetters", "Arn"]}}
    (policy,) = resources("AWS::SQS::QueuePolicy").values()
    assert policy["Queues"] == [{"Ref": "AlertDeadLetters"}]
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert (statement["Action"], statement["Principal"]) == ("sqs:SendMessage", {"Service": "events.amazonaws.com"})
    rules = [{"Fn::GetAtt": [rule, "Arn"]} for rule in RULES]
    assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": rules}}
    (alarm,) = [a for a in ALARMS.values() if "AlertDeadLetters" in json.dumps(a["Dimensions"])]
    assert (alarm["MetricName"], alarm["Threshold"]) == ("ApproximateNumberOfMessagesVisible", 0)


def test_every_link_to_the_runbook_leads_to_an_anchor() -> None:
    page = Path("docs/runbook.md").read_text(encoding="utf-8")
    for name, alarm in ALARMS.items():
        assert alarm["AlarmDescription"]["Fn::Sub"].endswith(f" Runbook: ${{RunbookUrl}}#{name}")
    written = json.dumps(RULES) + json.dumps(ALARMS)
    anchors = set(re.findall(r"\$\{RunbookUrl\}#(\w+)", written))
    assert len(anchors) > 5
    assert [anchor for anchor in anchors if f'<a id="{anchor}"></a>' not in page] == []


@pytest.mark.parametrize(
    "url", ["https://example.com/a#b", 'https://example.com/"', "https://example.com/<run>", "a b"]
)
def test_an_address_that_would_break_a_message_is_refused(url: str) -> None:
    pattern = PARAMETERS["RunbookUrl"]["AllowedPattern"]
    assert re.search(pattern, RUNBOOK)
    assert not re.search(pattern, url)
