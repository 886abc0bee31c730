"""Ways to break a run: the tool says what the warehouse shows, and its own commands continue the run."""

import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from demand_pipeline.builders import TABLES
from demand_pipeline.postgres import credentials
from local.seed import create_table
from tests.demand.conftest import CASES, Real, case
from tests.support.aws import client

pytestmark = [pytest.mark.long, pytest.mark.slow]

ROWS = 3
REFUSED = case(99, status={"S": "refused"})
REJECTED = case(100, issueDate={"S": "31/12/2026"})

type Act = Callable[[Real], object]


def sql(text: str) -> Act:
    return lambda real: real.warehouse.sql(text)


def secret(*login: str) -> Act:
    """Change the secret to a user and a password, or to a user alone."""
    return lambda real: client("secretsmanager").put_secret_value(
        SecretId=real.warehouse.settings.secret, SecretString=str(dict(zip(("username", "password"), login, strict=False))).replace("'", '"')
    )  # fmt: skip


def right_secret(real: Real) -> None:
    real.warehouse.put_secret(real.warehouse.server.user, real.warehouse.server.password)


def secret_deleted(real: Real) -> None:
    client("secretsmanager").delete_secret(SecretId=real.warehouse.settings.secret, RecoveryWindowInDays=7)


def secret_restored(real: Real) -> None:
    client("secretsmanager").restore_secret(SecretId=real.warehouse.settings.secret)


def source_deleted(real: Real) -> None:
    real.dynamodb.delete_table(TableName=CASES.source)


def source_restored(real: Real) -> None:
    create_table(real.dynamodb, CASES.source, CASES)
    real.put(*(case(number) for number in range(ROWS + 1)))


def source_with_another_key(real: Real) -> None:
    source_deleted(real)
    create_table(real.dynamodb, CASES.source, TABLES["templates"])


def source_with_its_key(real: Real) -> None:
    source_deleted(real)
    source_restored(real)


def item_that_a_condition_refuses(real: Real) -> None:
    real.put(REFUSED)
    real.warehouse.sql("ALTER TABLE warehouse.cases ADD CONSTRAINT known CHECK (status <> 'refused')")


def delete(real: Real, item: dict[str, Any]) -> None:
    real.dynamodb.delete_item(TableName=CASES.source, Key={"documentId": item["documentId"]})


def rejected_items(real: Real) -> None:
    real.put(REJECTED)


def unreachable(real: Real) -> None:
    os.environ["POSTGRES_PORT"] = "1"  # the fixture puts it back


def reachable(real: Real) -> None:
    os.environ["POSTGRES_PORT"] = str(real.warehouse.settings.port)


def staged_object_deleted(real: Real) -> None:
    """The object that the next load would copy is deleted just before."""

    def deleting(task: Any, proceed: Callable[[], Any]) -> Any:
        if task.function == "LoadWarehouse":
            for table in task.event["tables"]:
                for segment in table["segments"]:
                    for chunk in segment["chunks"]:
                        client("s3").delete_object(Bucket="staging", Key=chunk["key"])
        return proceed()

    real.machine.around = deleting


def nothing_deleted(real: Real) -> None:
    real.machine.around = lambda _, proceed: proceed()


@dataclass(frozen=True)
class Way:
    """A way to break the run after a first one, its error, the cure, and the command of the tool that ends it well."""

    name: str
    breaking: Act
    error: str
    cure: Act
    command: str = "redrive"
    is_asked: bool = True  # whether the warehouse can be asked meanwhile


WAYS = (
    Way("PostgreSQL is down", unreachable, "DatabaseConnectionError", reachable, is_asked=False),
    Way("another role owns a target", sql("ALTER TABLE warehouse.cases OWNER TO CURRENT_USER"), "DatabasePrivilegeError", sql("ALTER TABLE warehouse.cases OWNER TO pipeline")),
    Way("a column's type is changed", sql("ALTER TABLE warehouse.cases ALTER status TYPE varchar(9)"), "SchemaMismatchError", sql("ALTER TABLE warehouse.cases ALTER status TYPE text")),
    Way("a column must not be null", sql("UPDATE warehouse.cases SET currency = 'EUR'; ALTER TABLE warehouse.cases ALTER currency SET NOT NULL"), "RefusedRowError", sql("ALTER TABLE warehouse.cases ALTER currency DROP NOT NULL")),
    Way("a condition is added", item_that_a_condition_refuses, "RefusedRowError", sql("ALTER TABLE warehouse.cases DROP CONSTRAINT known")),
    Way("too many items are rejects", rejected_items, "RejectLimitError", lambda real: delete(real, REJECTED), "run"),
    Way("a staged object is deleted", staged_object_deleted, "StagingError", nothing_deleted, "run"),
    Way("the password is wrong", secret("pipeline", "wrong"), "DatabaseAuthenticationError", right_secret, is_asked=False),
    Way("the secret has no password", secret("pipeline"), "ConfigurationError", right_secret, is_asked=False),
    Way("the secret is deleted", secret_deleted, "ConfigurationError", secret_restored, is_asked=False),
    Way("the source is deleted", source_deleted, "DynamoDb.ResourceNotFoundException", source_restored),
    Way("the source has another key", source_with_another_key, "SourceMismatchError", source_with_its_key, "run"),
)  # fmt: skip


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_a_broken_run_is_told_as_the_warehouse_has_it_and_its_command_ends_it_well(real: Real, way: Way) -> None:
    real.put(*(case(number) for number in range(ROWS)))
    first = real.run()
    real.put(case(ROWS))
    way.breaking(real)
    credentials.secrets.cache_clear()  # as in a new sandbox; the cure finds the same one

    said = real.demand("run", "--tables", "cases,metadata", "--json")
    run = said.json["run"]
    failure = said.json["failures"][0]
    assert (said.code, failure["error"]) == (1, way.error)
    assert states(real, run) == {"not committed" if way.is_asked else "unknown"}
    assert states(real, first) == {"committed" if way.is_asked else "unknown"}
    assert committed(real) == [first]
    for line in failure["first"]:
        assert real.demand(*words(line)).code in (0, 2)  # 2: it has read no log, or there is nothing to read

    way.cure(real)
    [command] = [line for line in failure["next"] if words(line)[0] == way.command]
    ended = real.demand(*words(command), "--json", *(["--yes"] if way.command == "redrive" else []))
    assert ended.code == 0, ended
    last = ended.lines[-1]["run"]
    assert (last == run) is (way.command == "redrive")
    assert committed(real) == [first, last]
    assert states(real, last) == {"committed"}
    assert states(real, first) == {"superseded"}
    [loaded] = [table["loaded"] for table in ended.lines[-1]["tables"] if table["table"] == "cases"]
    assert loaded == real.warehouse.count("cases") == real.dynamodb.scan(TableName=CASES.source)["Count"]


def test_a_view_keeps_reading_and_a_run_does_not_mind_it(real: Real) -> None:
    real.put(*(case(number) for number in range(ROWS)))
    real.run()
    real.warehouse.sql("CREATE VIEW public.theirs AS SELECT status FROM warehouse.cases")
    real.put(case(ROWS))
    assert states(real, real.run()) == {"committed"}
    assert real.warehouse.sql("SELECT count(*) FROM public.theirs") == str(ROWS + 1)


def test_a_run_that_was_stopped_is_ended_well_by_a_redrive(real: Real) -> None:
    real.put(case(0))

    def stopped_by_somebody(task: Any, proceed: Callable[[], Any]) -> Any:
        if task.function == "LoadWarehouse":
            nothing_deleted(real)
            assert real.demand("stop", "--yes").code == 0
        return proceed()

    real.machine.around = stopped_by_somebody
    said = real.demand("run", "--tables", "cases,metadata", "--json")
    run = said.json["run"]
    assert (said.json["status"], said.json["failures"][0]["error"]) == ("ABORTED", "Stopped")
    assert states(real, run) == {"committed" if committed(real) else "not committed"}
    [redrive] = [line for line in said.json["failures"][0]["next"] if words(line)[0] == "redrive"]
    assert real.demand(*words(redrive), "--yes").code == 0
    assert committed(real) == [run]
    assert states(real, run) == {"committed"}


def test_of_two_runs_the_older_one_is_stale_and_there_is_nothing_to_do(real: Real) -> None:
    real.put(case(0))
    newer: list[str] = []

    def overtaken(task: Any, proceed: Callable[[], Any]) -> Any:
        if task.function == "LoadWarehouse":
            nothing_deleted(real)
            newer.append(real.run())
        return proceed()

    real.machine.around = overtaken
    said = real.demand("run", "--tables", "cases,metadata", "--json")
    for told in (said, real.demand("redrive", said.json["run"], "--yes", "--json")):
        assert told.code == 1
        [failure] = told.lines[-1]["failures"]
        assert (failure["error"], failure["first"], failure["next"]) == ("StaleRunError", [], [])
        assert committed(real) == newer
        assert states(real, said.json["run"]) == {"not committed"}
        assert states(real, newer[0]) == {"committed"}


def words(line: str) -> list[str]:
    program, *words = shlex.split(line)
    assert program == "demand"
    return words


def states(real: Real, run: str) -> set[str]:
    """The states of a run that the commands show."""
    listed = {each["name"]: each for each in real.demand("runs", "--json").json["runs"]}
    shown = [real.demand(word, run, "--json").lines[-1] for word in ("show", "watch")]
    return {each["warehouse"]["state"] for each in (listed[run], *shown)}


def committed(real: Real) -> list[str]:
    """The runs that the warehouse has, in their order."""
    names = "SELECT run_id FROM warehouse.pipeline_runs WHERE status = 'committed' ORDER BY committed_at"
    return real.warehouse.sql(names).splitlines()
