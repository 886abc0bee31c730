# ruff: noqa: S608 - SQL of our own
"""Objects of other people in the warehouse. A load must work next to them and must not change them.

`mine` is the schema of the readers' role; `tools` belongs to the superuser, and is on the search_path of all roles.
"""

from dataclasses import dataclass

import pg8000.native

from campaigns.faults.reader import EVERYTHING, ROLE, SCHEMA
from demand_pipeline.builders import TABLES

NOT_OURS = '{"of": "others"}'
"""The `extra` of a row in an inheriting table of others, which a SELECT from the parent table returns."""

VIEW_OF_PREVIOUS, MATERIALIZED_VIEW = "view of previous rows", "materialized view"
_TABLE = next(iter(TABLES.values()))
_TARGET, _KEY = f"warehouse.{_TABLE.name}", _TABLE.key[0].name
_PREVIOUS = f"warehouse_pipeline.{_TABLE.name}_previous"
_PATH = "tools, public"
_IN_PLACE = ("truncate", "merge")
_EVENT_TRIGGER = """
    CREATE FUNCTION tools.{name}() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$;
    CREATE EVENT TRIGGER {name} ON {event} EXECUTE FUNCTION tools.{name}();
"""
PREPARATION = f"""
    CREATE SCHEMA {SCHEMA} AUTHORIZATION {ROLE};
    CREATE SCHEMA tools;
    GRANT USAGE ON SCHEMA tools TO PUBLIC;
    ALTER DEFAULT PRIVILEGES IN SCHEMA tools GRANT SELECT, INSERT, DELETE ON TABLES TO PUBLIC;
"""


@dataclass(frozen=True)
class Other:
    """An object of others: the SQL that creates it, and a query that returns the problems with it at the end.

    `strategies` are the load strategies that accept it, and `first` the strategies that may have created the tables:
    a swap refuses the object otherwise, by name. If it `is_in_the_way`, tables cannot be dropped until `removal`, which
    must not fail a run.
    """

    creation: str
    check: str
    strategies: tuple[str, ...] = (*_IN_PLACE, "swap")
    first: tuple[str, ...] = (*_IN_PLACE, "swap")
    removal: str = ""

    @property
    def is_in_the_way(self) -> bool:
        return bool(self.removal)

    def fits(self, strategy: str, first: str, *, keep_previous: bool) -> bool:
        """Whether a round with these strategies can contain the object."""
        is_kept = keep_previous or _PREVIOUS not in self.creation
        # The first swap of a plain table refuses objects that depend on it.
        is_swapped_first = strategy == "swap" and first != "swap"
        depends = f"SET ROLE {ROLE}" in self.creation
        return strategy in self.strategies and first in self.first and is_kept and not (depends and is_swapped_first)


OTHERS = {
    VIEW_OF_PREVIOUS: Other(
        f"SET ROLE {ROLE}; CREATE VIEW {SCHEMA}.yesterday AS SELECT * FROM {_PREVIOUS}; RESET ROLE",
        # The view keeps pointing to the same rows, which are not readable once they are no longer `_previous`.
        f"SELECT 'gone' WHERE to_regclass('{SCHEMA}.yesterday') IS NULL",
        ("swap",),
        ("swap",),
        removal=f"DROP VIEW {SCHEMA}.yesterday",
    ),
    "event trigger that forbids drops": Other(
        _EVENT_TRIGGER.format(
            name="forbid",
            event="sql_drop WHEN TAG IN ('DROP TABLE')",
            body="IF current_user = 'pipeline' THEN RAISE 'dropping tables is forbidden'; END IF;",
        ),
        "SELECT 'disabled' FROM pg_event_trigger WHERE evtname = 'forbid' AND evtenabled <> 'O'",
        removal="DROP EVENT TRIGGER forbid",
    ),
    "event trigger that logs": Other(
        "CREATE TABLE tools.ddl_log (who text NOT NULL, tag text NOT NULL, object text);"
        + _EVENT_TRIGGER.format(
            name="log_ddl",
            event="ddl_command_end",
            body="INSERT INTO ddl_log SELECT current_user, command_tag, object_identity FROM pg_event_trigger_ddl_commands();",
        ),
        "SELECT 'no CREATE TABLE of the load' FROM tools.ddl_log HAVING count(*) FILTER "
        "(WHERE who = 'pipeline' AND tag = 'CREATE TABLE' AND starts_with(object, 'warehouse_pipeline.')) = 0",
    ),
    "inheriting table": Other(
        f"CREATE TABLE {SCHEMA}.archive (note text DEFAULT 'old') INHERITS ({_TARGET});"
        f"INSERT INTO {SCHEMA}.archive ({_KEY}, extra) SELECT 'k-' || n, '{NOT_OURS}' FROM generate_series(1, 5) AS n;"
        f"COMMENT ON TABLE {SCHEMA}.archive IS 'Years ago'; ALTER TABLE {SCHEMA}.archive OWNER TO {ROLE};"
        f"GRANT USAGE ON SCHEMA {SCHEMA} TO pipeline; GRANT ALL ON {SCHEMA}.archive TO pipeline",
        f"SELECT count(*) || ' rows' FROM {SCHEMA}.archive HAVING count(*) FILTER (WHERE extra = '{NOT_OURS}') <> 5",
        _IN_PLACE,
        _IN_PLACE,
    ),
    "indexes of one shape": Other(
        f"CREATE UNIQUE INDEX same_key ON {_TARGET} ({_KEY});"
        f"CREATE INDEX twin_1 ON {_TARGET} (extra); CREATE INDEX twin_2 ON {_TARGET} (extra)",
        "SELECT name FROM unnest(ARRAY['same_key', 'twin_1', 'twin_2']) AS name "
        "WHERE NOT EXISTS (SELECT FROM pg_class JOIN pg_index ON indexrelid = oid WHERE relname = name AND indisvalid)",
    ),
    "publication": Other(
        "CREATE PUBLICATION everything FOR ALL TABLES",
        "SELECT 'changed' FROM pg_publication WHERE NOT (puballtables AND pubinsert AND pubupdate AND pubdelete)",
        _IN_PLACE,
    ),
    MATERIALIZED_VIEW: Other(
        f"SET ROLE {ROLE}; CREATE MATERIALIZED VIEW {SCHEMA}.everything AS {EVERYTHING}; RESET ROLE",
        f"SELECT 'not readable' FROM {SCHEMA}.everything HAVING count(*) <> 1",
    ),
    "row triggers": Other(
        f"""
        CREATE TABLE tools.row_log AS SELECT 1 AS change, {_KEY} FROM {_TARGET};
        ALTER TABLE tools.row_log REPLICA IDENTITY FULL;
        CREATE FUNCTION tools.log_rows() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF TG_OP = 'TRUNCATE' THEN DELETE FROM row_log; RETURN NULL; END IF;
            IF TG_OP <> 'INSERT' THEN INSERT INTO row_log VALUES (-1, OLD.{_KEY}); END IF;
            IF TG_OP <> 'DELETE' THEN INSERT INTO row_log VALUES (1, NEW.{_KEY}); END IF;
            RETURN NULL;
        END $$;
        CREATE TRIGGER log_rows AFTER INSERT OR UPDATE OR DELETE ON {_TARGET}
            FOR EACH ROW EXECUTE FUNCTION tools.log_rows();
        CREATE TRIGGER log_truncate AFTER TRUNCATE ON {_TARGET} EXECUTE FUNCTION tools.log_rows();
        """,
        f"SELECT 'the log of {_TARGET} is wrong about ' || {_KEY} FROM "
        f"(SELECT {_KEY}, sum(change) AS rows FROM tools.row_log GROUP BY 1) AS logged FULL JOIN "
        f"(SELECT {_KEY}, 1 AS rows FROM {_TARGET} WHERE extra IS DISTINCT FROM '{NOT_OURS}') AS found USING ({_KEY}) "
        "WHERE coalesce(logged.rows, 0) <> coalesce(found.rows, 0)",
        _IN_PLACE,
    ),
}
# Definitions, owners, grants and comments of objects of others; a view keeps pointing to its original table.
_DEFINITIONS = f"""
    SELECT concat_ws(' ', oid::regclass, relkind, relowner::regrole, relacl, obj_description(oid, 'pg_class'),
                     CASE WHEN relkind = 'm' THEN pg_get_viewdef(oid) END)
    FROM pg_class WHERE relnamespace::regnamespace::text IN ('{SCHEMA}', 'tools')
    UNION ALL SELECT concat_ws(' ', pg_get_triggerdef(oid), tgenabled) FROM pg_trigger
    WHERE NOT tgisinternal AND tgrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'warehouse'::regnamespace)
    UNION ALL SELECT concat_ws(' ', evtname, evtevent, evttags, evtenabled, evtfoid::regproc) FROM pg_event_trigger
    UNION ALL SELECT concat_ws(' ', pubname, puballtables, pubinsert, pubupdate, pubdelete, pubtruncate) FROM pg_publication
    UNION ALL SELECT concat_ws(' inherits ', inhrelid::regclass, inhparent::regclass) FROM pg_inherits
    WHERE inhrelid IN (SELECT oid FROM pg_class WHERE relnamespace::regnamespace::text IN ('{SCHEMA}', 'tools'))
"""


def create(connection: pg8000.native.Connection, names: tuple[str, ...], database: str) -> None:
    """Create the round's objects, and put their schemas on the search_path of all roles."""
    for name in names:
        connection.run(f'ALTER DATABASE "{database}" SET search_path = {_PATH}')
        connection.run(f"SET search_path = {_PATH}; {OTHERS[name].creation}")


def definitions(connection: pg8000.native.Connection) -> set[str]:
    """Return the definitions of all objects of others."""
    return {text for [text] in connection.run(_DEFINITIONS)}


def check(connection: pg8000.native.Connection, names: tuple[str, ...]) -> list[str]:
    """Return the problems with the objects of others, one text each."""
    return [f"{name}: {problem}" for name in names for [problem] in connection.run(OTHERS[name].check)]
