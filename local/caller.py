"""The caller's environment: the local stack and the tests get only the variables that are named here."""

import os
import time
from collections.abc import Mapping
from fnmatch import fnmatchcase

_KEPT = (
    *("PATH", "PYTHONPATH", "LD_LIBRARY_PATH"),
    *("USER", "LOGNAME", "XDG_*", "DOCKER_*"),
    # Downloads, also by `sam build`.
    *("*_PROXY", "*_proxy", "PIP_*", "UV_*", "SSL_CERT_*", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NETRC"),
    # Switches of the tests.
    *("PYTEST_*", "FULL_TIMEOUTS", "POSTGRES_PROGRAMS"),
)
_FOLDERS = ("HOME", "TMPDIR")  # a relative one would be another folder for each program
_TERMINAL = ("TERM", "COLORTERM", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TZ")
# boto3 reads profiles from these files even if it is given credentials.
_SET = {"LANG": "C.UTF-8", "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
_LOOPBACK = ("127.0.0.1", "localhost")


def kept(variables: Mapping[str, str], *, terminal: bool = True) -> dict[str, str]:
    """Return the variables that are kept, by default with the terminal's; proxies leave out the loopback addresses."""
    names = (*_KEPT, *_TERMINAL) if terminal else (*_KEPT, "TERM")
    found = {name: value for name, value in variables.items() if any(fnmatchcase(name, kept) for kept in names)}
    folders = {name: variables[name] for name in _FOLDERS if variables.get(name, "").startswith("/")}
    direct = (found.get("NO_PROXY") or found.get("no_proxy") or "").split(",")
    # `*` turns all proxies off, and only if it stands alone.
    spared = "*" if "*" in direct else ",".join(dict.fromkeys(filter(None, [*direct, *_LOOPBACK])))
    return {**found, **folders, **_SET, "NO_PROXY": spared, "no_proxy": spared}


def forget(*, terminal: bool = True) -> None:
    """Remove all other variables from this process and its children."""
    variables = kept(os.environ, terminal=terminal)
    os.environ.clear()
    os.environ.update(variables)
    time.tzset()
