"""The warehouse of a test: a database on a real server, and how the functions reach it."""

import json
from dataclasses import dataclass, replace

import boto3

from demand_pipeline.settings import PostgresSettings
from local.postgres import PostgresServer
from tests.support.waiting import wait_for

# A fifth of the time that a new database takes.
_RESET = """
    SET default_transaction_read_only = off;
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend';
    ALTER DATABASE "{database}" OWNER TO {owner};
    ALTER DATABASE "{database}" RESET ALL;
    ALTER ROLE {owner} RESET ALL;
    REVOKE pg_read_all_stats FROM {owner};
    GRANT ALL ON DATABASE "{database}" TO {owner};
    GRANT CONNECT, TEMPORARY ON DATABASE "{database}" TO PUBLIC;
    DO $$ DECLARE name text; BEGIN
        FOR name IN SELECT evtname FROM pg_event_trigger LOOP
            EXECUTE format('DROP EVENT TRIGGER %I', name);
        END LOOP;
        FOR name IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_|^information_schema$' LOOP
            EXECUTE format('DROP SCHEMA %I CASCADE', name);
        END LOOP;
        FOR name IN SELECT pubname FROM pg_publication LOOP
            EXECUTE format('DROP PUBLICATION %I', name);
        END LOOP;
    END $$;
    CREATE SCHEMA public AUTHORIZATION pg_database_owner;
"""


def reset(server: PostgresServer) -> None:
    """Make the database as good as new."""
    server.execute(_RESET.format(database=server.database, owner=server.user), admin=True)


def login(server: PostgresServer) -> str:
    """The role `pipeline`, as Secrets Manager holds it."""
    return json.dumps({"username": server.user, "password": server.password})


def settings_for(server: PostgresServer) -> PostgresSettings:
    """Settings to reach a server with; its secrets are put into Secrets Manager."""
    manager = boto3.client("secretsmanager")
    return PostgresSettings(
        host=server.host,
        port=server.port,
        database=server.database,
        schema="warehouse",
        secret=manager.create_secret(Name="login", SecretString=login(server))["ARN"],
        tls_root_secret=manager.create_secret(Name="root", SecretString=server.ca_pem)["ARN"],
    )


def variables(settings: PostgresSettings) -> dict[str, str]:
    """The settings, as a function finds them in its environment."""
    return {
        "POSTGRES_HOST": settings.host,
        "POSTGRES_PORT": str(settings.port),
        "POSTGRES_DATABASE": settings.database,
        "POSTGRES_SCHEMA": settings.schema,
        "POSTGRES_SECRET_ARN": settings.secret,
        "POSTGRES_TLS_ROOT_SECRET_ARN": settings.tls_root_secret,
    }


@dataclass
class Warehouse:
    """An empty database, and the settings and secrets to reach it as the role `pipeline`, which owns it."""

    server: PostgresServer
    settings: PostgresSettings

    def sql(self, text: str) -> str:
        """Run SQL as the superuser through psql, a client that shares no code with ours."""
        return self.server.execute(text, admin=True, database=self.settings.database)

    def count(self, table: str) -> int:
        """Rows of a table."""
        return int(self.sql(f"SELECT count(*) FROM warehouse.{table}"))  # noqa: S608 - names of our own

    def put_secret(self, user: str, password: str) -> None:
        """Change what Secrets Manager holds."""
        value = json.dumps({"username": user, "password": password})
        boto3.client("secretsmanager").put_secret_value(SecretId=self.settings.secret, SecretString=value)

    def sessions(self) -> int:
        """How many sessions of the pipeline are open in the database."""
        count = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE"
        return int(self.sql(f"{count} 'demand-pipeline %'"))

    def wait_until_closed(self) -> None:
        """The server takes a moment to end a session whose client has gone."""
        wait_for(lambda: self.sessions() == 0)

    def at(self, **changes: object) -> PostgresSettings:
        """The settings with something else in them."""
        return replace(self.settings, **changes)  # type: ignore[arg-type]
