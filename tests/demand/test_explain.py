"""demand explain: every error and alarm, in the words of the runbook, and without a network."""

import re
import socket
from pathlib import Path

import pytest

from demand.explain import STATEMENTS, explain, read_page
from demand_pipeline.cures import QUESTION_CURES, RUN_CURES
from scripts.pages import linked
from tests.demand.conftest import Demand
from tests.demand.deployed import STACK
from tests.template.loaded import resources

ALARMS = sorted(resources("AWS::CloudWatch::Alarm"))
ERRORS = sorted({name for entry in (*RUN_CURES, *QUESTION_CURES) for name in entry.names})


def test_statements_are_those_of_errors_that_are_explained() -> None:
    assert set(ERRORS) >= STATEMENTS.keys()


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_is_explained_with_the_values_of_the_runbook(name: str) -> None:
    found = explain(name)
    assert found.advice
    assert found.similar == ()
    page = read_page()
    for advice in found.advice:
        assert name in advice.names
        assert advice.meaning
        if advice.met_in == "a run":
            [row] = [line for line in page.splitlines() if f'<a id="{name}"></a>' in line]
            meaning, do = row.removesuffix(" |").split(" | ")[1:]
            assert (meaning, do) == tuple(
                f"{text[:1].upper()}{text[1:]}." for text in (advice.meaning, linked(advice.do))
            )
    for text in found.sql:
        assert f"```sql\n{text}\n```" in page
    assert "<!--" not in found.notes
    assert "](" not in found.notes


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_is_explained_with_the_text_of_the_runbook_also_by_its_name_in_cloudwatch(name: str) -> None:
    found = explain(name)
    assert (found.name, found.advice) == (name, ())
    for word in ("**Do**", "**Safe**", "**Then**"):
        assert word in found.notes
    assert explain(f"{STACK}-{name}-1A2B3C") == found


@pytest.mark.parametrize(
    ("given", "name", "sqlstate"),
    [
        ("55P03", "LockTimeoutError", "55P03"),
        ("55p03", "LockTimeoutError", "55P03"),
        ("22P02", "DatabaseDataError", "22P02"),
        ("XX000", "DatabaseError", "XX000"),
        ("locktimeouterror", "LockTimeoutError", None),
    ],
)
def test_a_sqlstate_is_explained_as_the_error_that_it_becomes(given: str, name: str, sqlstate: str | None) -> None:
    found = explain(given)
    assert (found.name, found.sqlstate) == (name, sqlstate)


def test_an_unknown_name_leads_to_the_cause_and_to_names_that_are_alike() -> None:
    found = explain("LockTimeout")
    assert found.similar == ("LockTimeoutError",)
    assert "demand logs RUN --errors" in found.advice[0].then
    assert explain("Lambda.SomethingNew").similar == ()


def test_an_unknown_alarm_leads_to_alarms_that_are_alike_and_is_not_taken_for_an_exception() -> None:
    found = explain("NoSuccessAlarm")
    assert (found.advice, len(found.similar)) == ((), 3)
    assert set(found.similar) <= set(ALARMS)


OVERRIDES = ['["Environment=prod", "PostgresSchema=finance"]', "'Environment=prod PostgresSchema=\"finance\"'"]


@pytest.mark.parametrize("overrides", OVERRIDES)
def test_sql_is_for_the_schema_of_samconfig_or_of_the_option_without_any_connection(
    demand: Demand, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, overrides: str
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.delenv("DEMAND_STACK")
    config = f'[prod.global.parameters]\nstack_name = "{STACK}"\n[prod.deploy.parameters]\nparameter_overrides = {overrides}\n'
    (tmp_path / "samconfig.toml").write_text(config)
    said = demand("explain", "DiskFullError", "--config-env", "prod")
    assert said.code == 0
    assert """to_regnamespace('"finance"'), to_regnamespace('"finance_pipeline"')""" in said.out
    assert "in the schema finance" in said.out
    other = demand("explain", "DiskFullError", "--config-env", "prod", "--stack", "another")
    assert "in the schema public" in other.out
    own = demand("explain", "StaleRunError", "--schema", "it's")
    assert 'FROM "it\'s".pipeline_runs' in own.out


def test_an_explanation_fits_a_narrow_terminal(demand: Demand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")  # rich's: take the output for a terminal
    lines = re.sub(r"\x1b\[[\d;]*m", "", demand("explain", "LockTimeoutError").out).splitlines()
    assert max(map(len, lines)) <= 50
