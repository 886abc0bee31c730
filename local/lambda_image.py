"""The image in which `sam local invoke` runs Python functions: from the registry, or a substitute built here.

The substitute contains Lambda's folders, Python 3.13, the runtime client and boto3. It is not Amazon Linux: Python and
the C library are this machine's.
"""

import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable
from pathlib import Path

from local.docker import DockerError, docker

_PROJECT = Path(__file__).parents[1]
_UV = _PROJECT / ".venv-uv" / "bin" / "uv"
_PULL_SECONDS = 600.0
_BUILD_SECONDS = 120.0
_TOOLS = ("sh", "mv", "chmod")  # used by SAM's own Dockerfile
_NAME_LOOKUP = ("libnss_files.so.2", "libnss_dns.so.2")  # loaded by name; part of libc since glibc 2.34
_NOT_COPIED = shutil.ignore_patterns("test", "tests", "idlelib", "site-packages", "dist-packages", "config-3*", "*.pyc")
_SEARCHED = "/var/lang/bin:/usr/local/bin:/usr/bin:/bin:/opt/bin"
_BOOTSTRAP = """\
#!/bin/sh
export AWS_EXECUTION_ENV=AWS_Lambda_python3.13
export PYTHONPATH=/var/task:/opt/python/lib/python3.13/site-packages:/opt/python:/var/runtime
exec /var/lang/bin/python3.13 -m awslambdaric "$_HANDLER"
"""


def architecture() -> str:
    """Return this machine's architecture as the template's parameter spells it."""
    return "arm64" if platform.machine() in {"arm64", "aarch64"} else "x86_64"


def provide() -> tuple[str, bool]:
    """Return the image's name, which SAM looks for, and whether it is a substitute; raises DockerError."""
    image = f"public.ecr.aws/lambda/python:3.13-{architecture()}"
    try:
        docker("pull", "--quiet", image, seconds=_PULL_SECONDS)
    except DockerError as failure:
        if not docker("image", "ls", "--quiet", image):
            _build_stand_in(image, failure)
    return image, "stand-in" in docker("image", "inspect", "--format={{.Config.Labels}}", image)


def _build_stand_in(image: str, reason: DockerError) -> None:
    if sys.platform != "linux":
        raise DockerError(f"{reason}; a substitute image can be built on Linux only")
    with tempfile.TemporaryDirectory(prefix="demand-pipeline-image-") as folder:
        root = Path(folder)
        _fill(root)
        packed = root.with_suffix(".tar")
        try:
            _checked(["tar", "-C", folder, "--owner=0", "--group=0", "-cf", str(packed), "."])
            docker(
                "import",
                "--change=LABEL stand-in=demand-pipeline",
                f"--change=ENV PATH={_SEARCHED} LAMBDA_TASK_ROOT=/var/task LAMBDA_RUNTIME_DIR=/var/runtime",
                "--change=WORKDIR /var/task",
                str(packed),
                image,
                seconds=_BUILD_SECONDS,
            )
        finally:
            packed.unlink(missing_ok=True)


def _fill(root: Path) -> None:
    """Copy Python and its dependencies into a root file system, each library to the path that the loader searches."""
    root.chmod(0o755)
    for folder in ("bin", "etc", "opt", "proc", "sys", "dev", "tmp", "var/lang/bin", "var/lang/lib", "var/task"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "tmp").chmod(0o1777)
    python = Path(os.path.realpath(sys.executable))
    shutil.copy(python, root / "var/lang/bin/python3.13")
    shutil.copytree(sysconfig.get_path("stdlib"), root / "var/lang/lib/python3.13", ignore=_NOT_COPIED)
    runtime = root / "var/runtime"
    locked = _PROJECT / "requirements" / "runtime.txt"
    install = [str(_UV), "pip", "install", "-q", "--python", sys.executable, "--target", str(runtime)]
    _checked([*install, "--require-hashes", "-r", str(locked)])
    bootstrap = runtime / "bootstrap"
    bootstrap.write_text(_BOOTSTRAP)
    bootstrap.chmod(0o755)
    tools = [Path(os.path.realpath(shutil.which(tool) or tool)) for tool in _TOOLS]
    for name, tool in zip(_TOOLS, tools, strict=True):
        shutil.copy(tool, root / "bin" / name)
    for library in _libraries([python, *tools, *root.glob("var/**/*.so*")]):
        copy = root / library.relative_to("/")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, copy)
    (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\n")
    (root / "etc/nsswitch.conf").write_text("hosts: files dns\n")


def _libraries(programs: Iterable[Path]) -> set[Path]:
    """Return the loader and the shared libraries that programs and extension modules need."""
    found = set()
    for program in programs:
        listed = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=False).stdout
        found |= {Path(word) for word in listed.split() if word.startswith("/") and not word.endswith(":")}
    next_to_libc = [
        library.with_name(name) for library in found if library.name == "libc.so.6" for name in _NAME_LOOKUP
    ]
    return found | {library for library in next_to_libc if library.exists()}


def _checked(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise DockerError(f"building an image failed: {Path(command[0]).name}: {done.stderr.strip()}")
