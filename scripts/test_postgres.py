"""Runs the integration tests on every supported PostgreSQL: `make test-postgres`, which downloads the servers."""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).parents[1]
_FETCHED = _ROOT / ".postgres"
_PROCESSORS = {"x86_64": "x64", "aarch64": "arm64"}


def main() -> None:
    """Print one line per version; exit with an error if a test failed or a server is missing."""
    processor = _PROCESSORS.get(platform.machine(), platform.machine())
    locked = json.loads((_FETCHED / "package.json").read_text())["optionalDependencies"]
    packages = [_FETCHED / "node_modules" / name for name in sorted(locked) if name.startswith(f"{processor}-")]
    # npm silently skips packages of other systems, and packages whose hash is wrong.
    if missing := [package.name for package in packages if not package.exists()]:
        sys.exit(f".postgres: npm did not install the servers {missing}; remove the folder to try again")
    if not packages:
        sys.exit(f"requirements/postgres contains no servers for the processor {processor}")
    if failed := [package.name for package in packages if not _passes(package)]:
        sys.exit(f"failed: {', '.join(failed)}")


def _passes(package: Path) -> bool:
    for link in json.loads((package / "native" / "pg-symlinks.json").read_text()):
        target = package / link["target"]
        target.unlink(missing_ok=True)
        target.symlink_to((package / link["source"]).name)
    programs = package / "native"
    version = subprocess.check_output([programs / "bin" / "postgres", "--version"], text=True).split()[-1]
    tests = [sys.executable, "-m", "pytest", "-q", "--color=no", "-m", "", "tests/integration"]
    environment = {**os.environ, "POSTGRES_PROGRAMS": str(programs)}
    done = subprocess.run(tests, cwd=_ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stdout + done.stderr)
    print(f"PostgreSQL {version}: {done.stdout.splitlines()[-1].strip(' =')}", flush=True)
    return done.returncode == 0


if __name__ == "__main__":
    main()
