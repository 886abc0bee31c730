"""A copier killed in the middle of a COPY: the run fails, and a redrive copies only what is missing."""

import json
import ssl
from collections.abc import Iterator

import pg8000.native
import psutil
import pytest

from demand_pipeline.builders import TABLES
from local import seed
from local.sample import Sample
from local.stack import Stack
from tests.e2e.conftest import RUN_SECONDS, End, Start
from tests.e2e.test_demand import Demand, begin, demand
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.xdist_group("e2e"), pytest.mark.slow]

__all__ = ["begin", "demand"]  # fixtures
HELD = list(TABLES)[1]
SEGMENTS = 2  # of every table, and each is one chunk
LOCK = 20261127
# Every COPY into the shadow of one table waits for the test's lock: the shadow has the trigger from the beginning.
HOLD = f"""
CREATE SCHEMA hold;
CREATE FUNCTION hold.wait() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_advisory_xact_lock_shared({LOCK}); RETURN NULL; END $$;
CREATE FUNCTION hold.attach() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS
    $$ DECLARE shadow text; BEGIN
        FOR shadow IN SELECT object_identity FROM pg_event_trigger_ddl_commands()
            WHERE object_identity LIKE 'public\\_pipeline.{HELD}\\_%' AND object_type = 'table'
        LOOP EXECUTE format('CREATE TRIGGER hold BEFORE INSERT ON %s EXECUTE FUNCTION hold.wait()', shadow); END LOOP;
    END $$;
CREATE EVENT TRIGGER hold ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION hold.attach();
"""  # noqa: S608 - a declaration's name
WAITING = "FROM pg_stat_activity WHERE query LIKE 'COPY %' AND wait_event = 'advisory'"
LEDGER = "SELECT oid::regclass FROM pg_class WHERE relkind = 'r' AND relname LIKE 'pipeline\\_ledger\\_%'"


@pytest.fixture
def holder(stack: Stack) -> Iterator[pg8000.native.Connection]:
    """A session that holds every COPY of one table until it releases its lock."""
    stack.postgres.execute(HOLD, admin=True)
    postgres = stack.postgres
    holder = pg8000.native.Connection(
        user=postgres.admin,
        password=postgres.admin_password,
        host=postgres.host,
        port=postgres.port,
        database=postgres.database,
        ssl_context=ssl.create_default_context(cafile=postgres.ca_path),
    )
    holder.run(f"SELECT pg_advisory_lock({LOCK})")
    yield holder
    holder.close()
    stack.postgres.execute("DROP EVENT TRIGGER hold; DROP SCHEMA hold CASCADE", admin=True)


def copied(holder: pg8000.native.Connection) -> set[str]:
    """The chunks in the ledger of the only run that has one."""
    return {
        chunk
        for [ledger] in holder.run(LEDGER)
        for [chunk] in holder.run(f"SELECT chunk FROM {ledger} WHERE chunk LIKE 'runs/%'")  # noqa: S608 - PostgreSQL's own
    }


def copier(client_port: int) -> psutil.Process:
    """The function's process behind a session."""
    connections = [found for found in psutil.net_connections("tcp") if found.status == "ESTABLISHED"]
    [pid] = {found.pid for found in connections if getattr(found.laddr, "port", None) == client_port}
    return psutil.Process(pid)


def test_a_redrive_after_copiers_were_killed_copies_only_their_chunks(
    stack: Stack, holder: pg8000.native.Connection, start: Start, ended: End, demand: Demand
) -> None:
    dynamodb = stack.client("dynamodb")
    seed.create_tables(dynamodb)
    seed.write_sample(dynamodb, Sample(60), lambda _: None)
    others = SEGMENTS * (len(TABLES) - 1)

    run = start({})
    wait_for(lambda: len(copied(holder)) == others, RUN_SECONDS)
    wait_for(lambda: len(holder.run(f"SELECT client_port {WAITING}")) == SEGMENTS, RUN_SECONDS)
    for process in [copier(port) for [port] in holder.run(f"SELECT client_port {WAITING}")]:
        assert "CopyChunk" in process.environ()["AWS_LAMBDA_FUNCTION_NAME"]
        process.kill()
    failed = ended(run)
    assert (failed["status"], failed["error"]) == ("FAILED", "Lambda.Unknown")
    holder.run(f"SELECT pg_advisory_unlock({LOCK})")
    wait_for(lambda: not holder.run(f"SELECT 1 {WAITING}"))
    before = copied(holder)
    assert len(before) == others
    assert not any(f"/{HELD}/" in chunk for chunk in before)

    code, _, err = demand("redrive", failed["name"], "--yes")
    assert code == 0, err
    _, out, _ = demand("logs", failed["name"], "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    chunks = [line["fields"]["chunk"] for line in lines if line["message"] == "chunk copied"]
    assert len(chunks) == len(set(chunks)) == others + SEGMENTS  # each once, whenever it was
    assert set(chunks[:others]) == before
    assert {chunk.split("/")[4] for chunk in chunks[others:]} == {HELD}
    assert "chunk was copied before" not in {line["message"] for line in lines}
