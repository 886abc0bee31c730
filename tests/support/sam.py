"""The grammar of `parameter_overrides`, as SAM CLI itself reads it."""

import json
import subprocess
from collections.abc import Iterable

# SAM CLI has an environment of its own.
_PARSE = """
import json, sys
from samcli.cli.types import CfnParameterOverridesType
convert = CfnParameterOverridesType().convert
def parsed(text):
    try:
        return convert([text], None, None)
    except Exception:
        return None
json.dump([parsed(text) for text in json.load(sys.stdin)], sys.stdout)
"""


def parse_overrides(texts: Iterable[object]) -> list[dict[str, str] | None]:
    """The parameters that SAM makes of each member of the list; None where it refuses one."""
    command = [".venv-sam/bin/python", "-c", _PARSE]
    answer = subprocess.run(command, input=json.dumps(list(texts)), check=True, capture_output=True, text=True)
    found: list[dict[str, str] | None] = json.loads(answer.stdout)
    return found
