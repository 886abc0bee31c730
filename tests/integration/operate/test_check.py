"""The action `check`: it names what a load would fail on, with the statement that repairs it."""

import pytest

from demand_pipeline.contracts.loading import Strategy
from demand_pipeline.errors import DatabasePrivilegeError
from tests.support.operate import ask
from tests.support.runs import Runs, run_at
from tests.support.warehouse import Warehouse

pytestmark = pytest.mark.usefixtures("environment")


def problems(strategy: Strategy = Strategy.TRUNCATE) -> list[dict[str, str]]:
    return [finding for finding in ask("check", strategy=strategy)["findings"] if finding["state"] != "ok"]


def test_a_warehouse_that_is_loaded_has_no_finding_but_good_ones(loaded: Runs) -> None:
    findings = ask("check", strategy="truncate")["findings"]
    assert {finding["state"] for finding in findings} == {"ok"}
    assert ("TLS", "ok") in {(finding["subject"], finding["state"]) for finding in findings}


def test_the_role_of_docs_may_load_an_empty_database(minimal: Warehouse) -> None:
    assert problems() == []


TRIGGER = (
    "CREATE FUNCTION public.fire() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER fire"
)
EVENT_TRIGGER = (
    "CREATE TABLE public.awsdms_ddl_audit (c_key bigserial, c_tag text); REVOKE ALL ON public.awsdms_ddl_audit FROM PUBLIC;"
    "CREATE FUNCTION public.{name}() RETURNS event_trigger LANGUAGE plpgsql {rights} AS $$ BEGIN "
    "INSERT INTO public.awsdms_ddl_audit VALUES (DEFAULT, tg_tag); DELETE FROM public.awsdms_ddl_audit; END $$;"
    "CREATE EVENT TRIGGER {name} ON ddl_command_end EXECUTE FUNCTION public.{name}()"
)

# What is broken by the superuser, and what the check then says: subject, state, part of the message.
BROKEN = {
    "a type": ("ALTER TABLE warehouse.cases ALTER page_count TYPE integer", "table cases", "failure", "expected the type bigint"),
    "a key": ("ALTER TABLE warehouse.audit DROP CONSTRAINT audit_pkey", "table audit", "failure", "expected the primary key"),
    "an owner": ("ALTER TABLE warehouse.cases OWNER TO admin", "table cases", "failure", "expected the owner pipeline"),
    "use of the schema": ("ALTER SCHEMA warehouse OWNER TO admin; GRANT USAGE ON SCHEMA warehouse TO pipeline", "schema warehouse", "failure", "pipeline lacks CREATE"),
    "a foreign key": ("CREATE TABLE public.notes (id text REFERENCES warehouse.cases)", "table cases", "failure", "public.notes refers to it"),
    "row security": ("ALTER TABLE warehouse.cases ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY", "table cases", "failure", "applies to its owner too"),
    "use of the pipeline's schema": ("ALTER SCHEMA warehouse_pipeline OWNER TO admin", "schema warehouse_pipeline", "failure", "pipeline lacks USAGE and CREATE"),
    "a NOT NULL": ("ALTER TABLE warehouse.cases ALTER tags SET NOT NULL", "table cases", "warning", "its column tags is NOT NULL: a run fails if"),
    "a CHECK": ("ALTER TABLE warehouse.cases ADD CONSTRAINT positive CHECK (net_amount > 0)", "table cases", "warning", "its constraint positive is CHECK"),
    "a UNIQUE index": ("CREATE UNIQUE INDEX once ON warehouse.cases (case_id) WHERE case_id <> ''", "table cases", "warning", "are unique, by once"),
    "a reference": ("CREATE TABLE public.t (id text PRIMARY KEY); ALTER TABLE warehouse.cases ADD FOREIGN KEY (case_id) REFERENCES public.t", "table cases", "warning", "is FOREIGN KEY (case_id)"),
    "a long entry": ("CREATE INDEX own ON warehouse.cases (supplier_name); UPDATE warehouse.cases SET supplier_name = (SELECT string_agg(md5(n::text), '') FROM generate_series(1, 75) AS n)", "table cases", "warning", "the largest entry has 2400 bytes"),
    "a column of others": ("ALTER TABLE warehouse.cases ADD owner text NOT NULL DEFAULT ''; ALTER TABLE warehouse.cases ALTER owner DROP DEFAULT", "table cases", "failure", "cases.owner: a load cannot write rows, because the column is NOT NULL without a default"),
    "a generated column": ("ALTER TABLE warehouse.cases DROP page_count, ADD page_count bigint GENERATED ALWAYS AS (1) STORED", "table cases", "failure", "because the column is GENERATED ALWAYS AS an expression"),
    "an identity": ("ALTER TABLE warehouse.cases DROP page_count, ADD page_count bigint GENERATED ALWAYS AS IDENTITY", "table cases", "failure", "because the column is GENERATED ALWAYS AS IDENTITY"),
    "a trigger": (f"{TRIGGER} BEFORE INSERT ON warehouse.cases FOR EACH ROW EXECUTE FUNCTION public.fire()", "table cases", "warning", "its trigger fire (INSERT, for each row) calls public.fire() of admin during a load"),
    "a trigger on rejects": (f"{TRIGGER} AFTER DELETE ON warehouse.rejected_items EXECUTE FUNCTION public.fire()", "table rejected_items", "warning", "its trigger fire (DELETE, for each statement)"),
    "an event trigger": (EVENT_TRIGGER.format(name="watch", rights=""), "event trigger watch", "warning", "fires at ddl_command_end of a load and calls public.watch() of admin"),
    "AWS DMS's event trigger": (EVENT_TRIGGER.format(name="awsdms_intercept_ddl", rights=""), "event trigger awsdms_intercept_ddl", "failure", "which may not write to public.awsdms_ddl_audit"),
    "a view on previous rows": ("CREATE TABLE warehouse_pipeline.cases_previous (); CREATE VIEW public.mine AS TABLE warehouse_pipeline.cases_previous", "table cases_previous", "warning", "view public.mine depends on it, so that no load can drop it"),
    "a function on a leftover": ("CREATE TABLE warehouse_pipeline.cases_0123456789ab (); CREATE FUNCTION public.f(warehouse_pipeline.cases_0123456789ab) RETURNS int LANGUAGE sql AS 'SELECT 1'", "table cases_0123456789ab", "warning", "function public.f(warehouse_pipeline.cases_0123456789ab) depends on it"),
    "a superuser": ("ALTER ROLE pipeline SUPERUSER", "role", "warning", "pipeline is a superuser"),
}  # fmt: skip


@pytest.mark.parametrize("broken", BROKEN)
def test_what_is_broken_is_named_and_the_statement_in_the_answer_repairs_it(
    broken: str, loaded: Runs, warehouse: Warehouse
) -> None:
    statement, subject, state, message = BROKEN[broken]
    warehouse.sql(statement)
    try:
        (problem,) = problems()
        assert (problem["subject"], problem["state"]) == (subject, state)
        assert message in problem["message"]
        if problem["action"].endswith(";"):
            warehouse.sql(problem["action"])
            assert problems() == []
    finally:
        warehouse.sql("ALTER ROLE pipeline NOSUPERUSER")


def test_an_event_trigger_with_its_owners_rights_is_fine(loaded: Runs, warehouse: Warehouse) -> None:
    warehouse.sql(EVENT_TRIGGER.format(name="awsdms_intercept_ddl", rights="SECURITY DEFINER"))
    assert problems() == []
    assert loaded.load(run_at(2)).committed


def test_a_load_works_once_the_event_triggers_grants_are_given(loaded: Runs, warehouse: Warehouse) -> None:
    warehouse.sql(EVENT_TRIGGER.format(name="awsdms_intercept_ddl", rights=""))
    with pytest.raises(DatabasePrivilegeError, match=r"awsdms_ddl_audit .*, called by an event trigger"):
        loaded.load(run_at(2))
    [problem] = problems()
    warehouse.sql(problem["action"])
    assert loaded.load(run_at(2)).committed


def test_a_trigger_that_no_statement_of_the_strategy_fires_is_no_problem(loaded: Runs, warehouse: Warehouse) -> None:
    warehouse.sql(f"{TRIGGER} BEFORE UPDATE ON warehouse.cases FOR EACH ROW EXECUTE FUNCTION public.fire()")
    assert problems() == []
    assert [problem["state"] for problem in problems(Strategy.MERGE)] == ["warning"]
    warehouse.sql("ALTER TABLE warehouse.cases DISABLE TRIGGER fire")
    assert problems(Strategy.MERGE) == []


def test_a_foreign_key_is_a_warning_where_rows_are_not_replaced(loaded: Runs, warehouse: Warehouse) -> None:
    warehouse.sql("CREATE TABLE public.notes (id text REFERENCES warehouse.cases)")
    assert [problem["state"] for problem in problems(Strategy.MERGE)] == ["warning"]


def test_a_schema_that_nobody_may_create_is_a_failure(warehouse: Warehouse) -> None:
    assert problems() == []
    database = warehouse.settings.database
    warehouse.sql(f'ALTER DATABASE "{database}" OWNER TO admin; REVOKE CREATE ON DATABASE "{database}" FROM pipeline')
    missing = problems()
    assert {problem["subject"] for problem in missing} == {"schema warehouse", "schema warehouse_pipeline"}
    for problem in missing:
        warehouse.sql(problem["action"])
    assert problems() == []
