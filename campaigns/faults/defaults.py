"""Settings of the server, the database or the role, with the values that harm a load the most."""

from dataclasses import dataclass
from random import Random

from campaigns.faults.reader import ROLE
from local.postgres import PostgresServer
from tests.support.waiting import wait_for

_OFF, _ON = ("off",), ("on",)
# Values as SQL. A setting that the server does not know is skipped.
WORST = {
    "default_transaction_isolation": ("serializable", "'repeatable read'"),
    "default_transaction_read_only": _ON,
    "default_transaction_deferrable": _ON,
    "lock_timeout": ("1",),
    # Long enough for the message with which a session replaces these settings, on a busy machine.
    "statement_timeout": ("200",),
    "transaction_timeout": ("200",),
    "idle_session_timeout": ("20",),
    "idle_in_transaction_session_timeout": ("20",),
    "search_path": ("''", "mine, pg_temp", "pg_temp, tools"),
    "row_security": ("on", "off"),
    "datestyle": ("'SQL, DMY'", "'German'"),
    "intervalstyle": ("sql_standard",),
    "timezone": ("'Pacific/Apia'",),
    "bytea_output": ("escape",),
    "extra_float_digits": ("-15",),
    "array_nulls": _OFF,
    "transform_null_equals": _ON,
    "standard_conforming_strings": _OFF,
    "quote_all_identifiers": _ON,
    "check_function_bodies": _OFF,
    "client_min_messages": ("debug1", "error"),
    "default_statistics_target": ("1",),
    "default_tablespace": ("pg_default",),
    "jit": _ON,
    "jit_above_cost": ("0",),
    "plan_cache_mode": ("force_generic_plan",),
    "constraint_exclusion": ("on", "off"),
    "work_mem": ("'64kB'",),
    "parallel_setup_cost": ("0",),
    "min_parallel_table_scan_size": ("0",),
    "synchronous_commit": _OFF,
    **{
        f"enable_{way}": _OFF
        for way in (
            "seqscan",
            "indexscan",
            "hashjoin",
            "mergejoin",
            "nestloop",
            "sort",
            "material",
            "partition_pruning",
        )
    },
}
SCOPES = ("server", "database", "role", "role in the database")
_NEEDED = ("search_path",)  # needed by functions of others, which use names without a schema


@dataclass(frozen=True)
class Default:
    """A setting's value, and the scope in which it is the default."""

    name: str
    value: str
    scope: str

    def __str__(self) -> str:
        return f"{self.name} = {self.value} of the {self.scope}"


def draw_defaults(random: Random, count: int, *, others: bool) -> tuple[Default, ...]:
    """Draw some settings, except for the settings that functions of others need."""
    names = random.sample([name for name in WORST if not (others and name in _NEEDED)], count)
    return tuple(Default(name, random.choice(WORST[name]), random.choice(SCOPES)) for name in names)


def change_defaults(server: PostgresServer, defaults: tuple[Default, ...]) -> None:
    """Change the defaults; the superuser and the readers keep their settings."""
    known = server.execute("SELECT name FROM pg_settings", admin=True).lower().splitlines()
    for default in defaults:
        if default.name not in known:
            continue
        if default.name not in _NEEDED:
            value = server.execute(f"SELECT quote_literal(current_setting('{default.name}'))", admin=True)
            for role in (server.admin, ROLE):
                server.execute(f"ALTER ROLE {role} SET {default.name} = {value}", admin=True)
        owner = {
            "server": "SYSTEM",
            "database": f'DATABASE "{server.database}"',
            "role": f"ROLE {server.user}",
            "role in the database": f'ROLE {server.user} IN DATABASE "{server.database}"',
        }[default.scope]
        server.execute(f"ALTER {owner} SET {default.name} = {default.value}", admin=True)
    if any(default.scope == "server" for default in defaults):
        _reload(server)


def reset_defaults(server: PostgresServer) -> None:
    """Reset all defaults; the superuser's own settings, which shielded it from the others, are reset last."""
    server.execute("ALTER SYSTEM RESET ALL", admin=True)
    _reload(server)
    database = f'DATABASE "{server.database}" RESET ALL'
    user = f"ROLE {server.user}"
    server.execute(f"ALTER {database}; ALTER {user} IN {database}; ALTER {user} RESET ALL", admin=True)
    server.execute(f"ALTER ROLE {server.admin} RESET ALL", admin=True)


def _reload(server: PostgresServer) -> None:
    loaded = "SELECT pg_conf_load_time()"
    before = server.execute(f"{loaded}; SELECT pg_reload_conf()", admin=True).splitlines()[0]
    wait_for(lambda: server.execute(loaded, admin=True) != before)
