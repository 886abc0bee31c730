"""Triggers, event triggers and functions of others run in a load as in any session of its role; none can be planted."""

import re

import pytest

from demand_pipeline.errors import DatabaseError, DatabasePrivilegeError, MissingTableError
from demand_pipeline.postgres.connection import Timeouts
from demand_pipeline.postgres.others import runs_others_code
from demand_pipeline.postgres.session import open_session
from tests.integration.conftest import EVERY_STRATEGY, IN_ONE_TRANSACTION, LOADER_ROLE, TRUNCATE_ALONE
from tests.support.queries import QUERIES
from tests.support.runs import EVERYTHING, Runs, documents, reject, run_at
from tests.support.warehouse import Warehouse

# Every function uses names of this schema without the schema: it is on the role's search_path.
HELPERS = """
    CREATE SCHEMA helpers; GRANT USAGE ON SCHEMA helpers TO PUBLIC; SET search_path = helpers, public;
    CREATE TABLE seen (what text); GRANT ALL ON seen TO PUBLIC;
    CREATE FUNCTION see(what text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN INSERT INTO seen VALUES (what); RETURN what; END $$;
    CREATE FUNCTION on_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM see(TG_OP); RETURN coalesce(NEW, OLD); END $$;
    CREATE FUNCTION on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM see(TG_TAG); END $$;
    CREATE FUNCTION is_fine(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM see('CHECK'); RETURN true; END $$;
    CREATE FUNCTION loud(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN upper(see($1)); END $$;
    ALTER ROLE pipeline SET search_path = helpers, "$user", public;
"""
NIGHT = {"cases": documents(4, status="new")}
SEEN = "SELECT count(*) > 0 FROM helpers.seen"


@pytest.fixture
def helpers(warehouse: Warehouse) -> None:
    warehouse.sql(HELPERS)


@IN_ONE_TRANSACTION
@pytest.mark.parametrize(
    "trigger",
    [
        "TRIGGER t AFTER INSERT OR UPDATE OR DELETE ON warehouse.cases FOR EACH ROW",
        "TRIGGER t BEFORE TRUNCATE OR UPDATE ON warehouse.cases FOR EACH STATEMENT",
        "CONSTRAINT TRIGGER t AFTER INSERT OR UPDATE ON warehouse.cases DEFERRABLE INITIALLY DEFERRED FOR EACH ROW",
        "TRIGGER t AFTER INSERT ON warehouse.pipeline_runs FOR EACH ROW",
        "TRIGGER t AFTER DELETE ON warehouse.rejected_items FOR EACH ROW",
    ],
)
def test_a_trigger_finds_what_it_names_without_a_schema(
    runs: Runs, warehouse: Warehouse, helpers: None, trigger: str
) -> None:
    run = run_at(1)
    runs.load(run, {"cases": [runs.chunk(run, "cases", documents(3), [reject("r")])]}, max_reject_percent=100)
    warehouse.sql(f"CREATE {trigger} EXECUTE FUNCTION helpers.on_row()")
    assert runs.load(run_at(2), NIGHT).committed
    assert warehouse.sql(SEEN) == "t"


@EVERY_STRATEGY
@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE warehouse.cases ADD loud text GENERATED ALWAYS AS (helpers.loud(status)) STORED",
        "ALTER TABLE warehouse.cases ADD seen text DEFAULT helpers.see('DEFAULT')",
        "ALTER TABLE warehouse.cases ADD CHECK (helpers.is_fine(status))",
        "CREATE EVENT TRIGGER t ON ddl_command_end EXECUTE FUNCTION helpers.on_ddl()",
        "CREATE EVENT TRIGGER t ON sql_drop EXECUTE FUNCTION helpers.on_ddl()",
    ],
)
def test_a_function_that_a_load_runs_finds_what_it_names_without_a_schema(
    runs: Runs, warehouse: Warehouse, helpers: None, change: str
) -> None:
    runs.load(run_at(1), {"cases": documents(3)})
    warehouse.sql(f"SET search_path = helpers, public; {change}; TRUNCATE helpers.seen")
    assert runs.load(run_at(2), NIGHT).committed
    assert warehouse.sql(SEEN) == "t"


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        ("", True),
        ("GRANT CREATE ON SCHEMA helpers TO pipeline", True),
        ("GRANT CREATE ON SCHEMA helpers TO member; ALTER SCHEMA helpers OWNER TO member", True),
        ("ALTER SCHEMA helpers OWNER TO pg_database_owner", True),
        ("GRANT CREATE ON SCHEMA helpers TO PUBLIC", False),
        ("GRANT CREATE ON SCHEMA helpers TO other", False),
        ("ALTER SCHEMA helpers OWNER TO other", False),
        ('ALTER DATABASE "{database}" OWNER TO other; ALTER SCHEMA helpers OWNER TO pg_database_owner', False),
    ],
)
def test_a_schema_in_which_others_may_create_is_left_out_of_the_path(
    warehouse: Warehouse, helpers: None, change: str, kept: bool
) -> None:
    warehouse.sql("DROP SCHEMA public; CREATE ROLE member IN ROLE pipeline; CREATE ROLE other")
    try:
        warehouse.sql(change.format(database=warehouse.settings.database))
        with open_session(warehouse.settings, "run-1", Timeouts()) as connection:
            assert connection.facts.path == ("pg_catalog, helpers, pg_temp" if kept else "pg_catalog, pg_temp")
            assert connection.facts.left_out == ("" if kept else "helpers")
    finally:
        warehouse.sql(f'ALTER DATABASE "{warehouse.settings.database}" OWNER TO pipeline')
        warehouse.sql("DROP SCHEMA helpers CASCADE; DROP OWNED BY member, other; DROP ROLE member, other")


@TRUNCATE_ALONE
def test_a_name_that_is_missing_since_its_schema_is_left_out_is_explained(
    runs: Runs, warehouse: Warehouse, helpers: None
) -> None:
    runs.load(run_at(1), NIGHT)
    warehouse.sql(
        "CREATE TRIGGER t AFTER INSERT ON warehouse.cases FOR EACH ROW EXECUTE FUNCTION helpers.on_row();"
        "GRANT CREATE ON SCHEMA helpers TO PUBLIC; CREATE OR REPLACE FUNCTION helpers.on_row() RETURNS trigger "
        "LANGUAGE plpgsql AS 'BEGIN INSERT INTO seen VALUES (TG_OP); RETURN NEW; END'"
    )
    with pytest.raises(MissingTableError, match="search_path leaves out helpers, where others may create"):
        runs.load(run_at(2), NIGHT)


@EVERY_STRATEGY
def test_an_error_inside_an_event_trigger_names_it(runs: Runs, warehouse: Warehouse, helpers: None) -> None:
    warehouse.sql(
        "CREATE TABLE helpers.awsdms_ddl_audit (c_key bigserial PRIMARY KEY, c_tag text);"
        'CREATE FUNCTION helpers."Intercept DDL"() RETURNS event_trigger LANGUAGE plpgsql AS '
        "$$ BEGIN INSERT INTO helpers.awsdms_ddl_audit VALUES (DEFAULT, TG_TAG); DELETE FROM helpers.awsdms_ddl_audit; END $$;"
        'CREATE EVENT TRIGGER "awsdms intercept" ON ddl_command_end EXECUTE FUNCTION helpers."Intercept DDL"()'
    )
    with pytest.raises(DatabasePrivilegeError, match="awsdms_ddl_audit; raised in the event trigger awsdms intercept "):
        runs.load(run_at(1))
    grants = re.findall(r"^--   (GRANT .*public.*)$", LOADER_ROLE.read_text(), re.MULTILINE)
    warehouse.sql("".join(grants).replace("public", "helpers").replace("demand_loader", "pipeline"))
    assert runs.load(run_at(1)).committed


def overloads(schema: str) -> str:
    """Functions and operators named as ours are, whose types fit anything better that is not exactly what ours take."""
    text = "\n".join(sql for sql in QUERIES.values() if runs_others_code(sql))
    functions = set(re.findall(r"pg_catalog\.(\w+)\(", text)) | {"count", "lower", "now"}
    operators = set(re.findall(r"OPERATOR\(pg_catalog\.(\S+)\)", text))
    one = ("text", "varchar", "jsonb", "text[]", "anyelement", "bigint", "timestamptz")
    two = ("text, varchar", "varchar, varchar", "text, text", "jsonb, text", "timestamptz, timestamptz", "anyelement, anyelement", "text, text[]")  # fmt: skip
    body = f"LANGUAGE plpgsql AS $$ BEGIN RAISE 'planted in {schema}'; END $$"
    planted = [
        f"CREATE FUNCTION {schema}.{name}({types}) RETURNS boolean {body};"
        for name in functions
        for types in (*one, *two)
    ]
    for types in two:
        left, right = types.split(", ")
        planted.append(f"CREATE FUNCTION {schema}.planted({types}) RETURNS boolean {body};")
        planted += [
            f"CREATE OPERATOR {schema}.{name} (LEFTARG = {left}, RIGHTARG = {right}, FUNCTION = {schema}.planted);"
            for name in operators
        ]
    return "".join(planted)


@EVERY_STRATEGY
def test_no_planted_function_or_operator_is_ever_called(runs: Runs, warehouse: Warehouse, helpers: None) -> None:
    warehouse.sql("GRANT CREATE ON SCHEMA public TO PUBLIC;" + overloads("helpers") + overloads("public"))
    for hour in (1, 2, 3):
        run = run_at(hour)
        chunk = runs.chunk(run, "cases", documents(3 + hour % 2, status=str(hour)), [reject("r")])
        assert runs.load(run, EVERYTHING | {"cases": [chunk]}, max_reject_percent=100, save_csv=True).committed
    with open_session(warehouse.settings, "run-1", Timeouts()) as connection:
        assert connection.facts.path == "pg_catalog, helpers, pg_temp"
        connection.execute(f"SET search_path = {connection.facts.path}")
        with pytest.raises(DatabaseError, match="P0001"):
            connection.query("SELECT 'a'::text = 'a'::varchar")
