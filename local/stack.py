"""The local stack: emulator, PostgreSQL and the deployed template, recorded in a state folder.

A later command finds the processes of an earlier one, even after a crash: each is recorded by pid and start time, so
that no other process is mistaken for it.
"""

import contextlib
import fcntl
import json
import os
import shlex
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from demand_pipeline.builders import TABLES
from demand_pipeline.tables import camel_case
from local import aws, docker, sam, seed
from local.console import Console
from local.emulator.emulator import REGION, Emulator
from local.postgres import PostgresServer, new_folder
from local.private_file import write_private
from local.relay import Relay

PROJECT = Path(__file__).parents[1]
DEFAULT_FOLDER = PROJECT / ".local"
_DATABASE = "invoice-transactions-local-dw"
_FORGET = r"""# The shell's own settings of AWS, PostgreSQL and demand would win over those below.
for _name in $(env | sed -n 's/^\(AWS_[A-Z0-9_]*\)=.*/\1/p; s/^\(PG[A-Z]*\)=.*/\1/p; s/^\(DEMAND_[A-Z_]*\)=.*/\1/p'); do
  unset "$_name"
done
unset _name
# No proxy can reach this machine's loopback interface. `*` turns all proxies off, and only if it stands alone.
NO_PROXY="${NO_PROXY:-${no_proxy-}}"
case ",$NO_PROXY," in *,\*,*) NO_PROXY="*" ;; *) NO_PROXY="127.0.0.1,localhost,$NO_PROXY" ;; esac
no_proxy="$NO_PROXY"
export NO_PROXY no_proxy
"""
# With the template's defaults, small tables would have one segment and one chunk.
_SMALL = {
    "MinSegments": "2",
    "ChunkBytes": "1048576",
    "ParallelCopyBytes": "4194304",
    "LogRetentionInDays": "1",
    "ScheduleState": "DISABLED",
}


class StackError(RuntimeError):
    """The stack is not running, or another command is changing it."""


class Stack:
    """Everything that runs locally; it writes only to `folder` and to a temporary folder of PostgreSQL."""

    def __init__(self, folder: Path = DEFAULT_FOLDER) -> None:
        self.folder = folder.resolve()
        self._state_file = self.folder / "stack.json"
        self._emulator_folder = self.folder / "emulator"
        self._relay_folder = self.folder / "relay"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other commands off the folder; raises StackError if one is running."""
        self.folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise StackError(f"another command is using {self.folder}") from None
        finally:
            os.close(handle)

    def up(self, console: Console, parameters: Mapping[str, str] | None = None) -> None:
        """Stop an earlier stack, start everything from scratch and deploy; leaves nothing behind if it fails."""
        self.down(console)
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            with console.step("starting the emulator"):
                emulator = Emulator.create(self._emulator_folder)
            with console.step("starting PostgreSQL"):
                folder = new_folder()
                self._record(postgres=str(folder))  # first, so that a crash from here on is cleaned up
                PostgresServer.create(_DATABASE, folder=folder)
            self._let_containers_in(console)
            with console.step("creating tables and secrets"):
                seed.create_tables(self.client("dynamodb"))
                given = self._known_now() | dict(parameters or {})
            with console.step("sam build") as tell:
                sam.build(self.folder / "sam", tell)
            with console.step("sam deploy") as tell:
                sam.deploy(self.folder / "sam", emulator.client_environment(), given, tell)
            self._record(outputs=sam.outputs(self.client("cloudformation")))
            self._write_environment()
        except BaseException:
            self.down(console)
            raise

    def down(self, console: Console) -> None:
        """Stop the stack and remove the folder; does nothing if no stack was started."""
        state = self._state()
        if state or self._emulator_folder.exists():
            with console.step("stopping the running stack"):
                with contextlib.suppress(FileNotFoundError):
                    self.emulator.remove()
                with contextlib.suppress(FileNotFoundError):
                    Relay.at(self._relay_folder).remove()
                if "postgres" in state:
                    PostgresServer.remove_folder(Path(state["postgres"]))
        shutil.rmtree(self.folder, ignore_errors=True)

    def require_up(self) -> None:
        """Raise StackError unless everything runs and is deployed."""
        if "outputs" not in self._state():
            raise StackError("the stack is not running: start it with make demo")
        for name, process in (("the emulator", self.emulator), ("PostgreSQL", self.postgres)):
            if not process.is_running():
                raise StackError(f"{name} has died: start again with make demo")

    @property
    def emulator(self) -> Emulator:
        """The emulator."""
        return Emulator.at(self._emulator_folder)

    @property
    def postgres(self) -> PostgresServer:
        """The warehouse's server."""
        return PostgresServer.at(Path(self._state()["postgres"]))

    @property
    def environment(self) -> dict[str, str]:
        """The variables that the folder's file `env` exports: everything that a client needs."""
        outputs = self._state()["outputs"]
        tables = {seed.variable_name(table): seed.source_name(table) for table in TABLES.values()}
        return {
            **self.emulator.client_environment(),
            "DEMAND_STACK": sam.STACK,
            "DEMAND_REGION": REGION,
            "STATE_MACHINE_ARN": outputs["StateMachineArn"],
            "STAGING_BUCKET": outputs["StagingBucketName"],
            **tables,
            **self.postgres.environment(),
        }

    @property
    def container_ports(self) -> dict[str, int]:
        """The ports at which containers reach the emulator and PostgreSQL, by these names."""
        try:
            ports = Relay.at(self._relay_folder).ports
        except FileNotFoundError:  # no engine, or one like Docker Desktop, which forwards to the loopback interface
            ports = {}
        found = {"the emulator": self.emulator.port, "PostgreSQL": self.postgres.port}
        return {name: ports.get(port, port) for name, port in found.items()}

    @property
    def container_environment(self) -> dict[str, str]:
        """The variables that differ for a function in a container: the addresses of AWS and PostgreSQL."""
        ports = self.container_ports
        return {
            "AWS_ENDPOINT_URL": f"http://{docker.HOST}:{ports['the emulator']}",
            "POSTGRES_HOST": docker.HOST,
            "POSTGRES_PORT": str(ports["PostgreSQL"]),
        }

    def client(self, service: str) -> Any:
        """Return a boto3 client of the emulator."""
        return aws.client(service, self.emulator.client_environment())

    def _let_containers_in(self, console: Console) -> None:
        """If an engine runs, relay from the address at which containers reach this machine, and from no other."""
        try:
            address = docker.bridge_address()
        except docker.DockerError:
            return
        try:
            with console.step(f"listening for containers on {address}"):
                Relay.create(self._relay_folder, address, [self.emulator.port, self.postgres.port])
        except OSError as failure:
            console.say(f"not listening for containers on {address}, an address of another machine? {failure}")

    def _known_now(self) -> dict[str, str]:
        """Return the values of the template's parameters that depend on the running stack."""
        postgres = self.postgres
        secrets = self.client("secretsmanager")
        login = json.dumps({"username": postgres.user, "password": postgres.password})
        tables = {f"{camel_case(table.source)}Table": seed.source_name(table) for table in TABLES.values()}
        return {
            "Environment": "local",
            **tables,
            **_SMALL,
            "PostgresHost": postgres.host,
            "PostgresPort": str(postgres.port),
            "PostgresSecretArn": secrets.create_secret(Name="warehouse-login", SecretString=login)["ARN"],
            "PostgresTlsRootSecretArn": secrets.create_secret(Name="warehouse-ca", SecretString=postgres.ca_pem)["ARN"],
        }

    def _state(self) -> dict[str, Any]:
        try:
            state: dict[str, Any] = json.loads(self._state_file.read_text())
        except FileNotFoundError:
            return {}
        return state

    def _record(self, **more: Any) -> None:
        """Add values to the state file."""
        write_private(self._state_file, json.dumps(self._state() | more, indent=2))

    def _write_environment(self) -> None:
        lines = [f"export {name}={shlex.quote(value)}\n" for name, value in self.environment.items()]
        write_private(self.folder / "env", "".join([_FORGET, *lines]))
