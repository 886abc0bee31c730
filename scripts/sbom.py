"""Complete the bill of materials with what an installed environment does not know: `make sbom`.

The locks know the hashes of every file that may be installed, and that isal is installed only on request.
"""

import json
import re
import sys
from pathlib import Path

LAYER = Path("layers/shared/requirements.txt")
NATIVE = Path("layers/shared/native.txt")
_PACKAGE = re.compile(r"^([a-z0-9-]+)==(\S+)((?: \\\n    --hash=sha256:[0-9a-f]{64})+)$", re.MULTILINE)


def locked(path: Path) -> dict[tuple[str, str], list[str]]:
    """The SHA-256 hashes of every package and version that a lock names."""
    found = _PACKAGE.findall(path.read_text(encoding="utf-8"))
    return {(name, version): re.findall(r"sha256:(\w+)", hashes) for name, version, hashes in found}


def main() -> int:
    """Read a bill from standard input and write the complete one to standard output."""
    bill = json.load(sys.stdin)
    native = locked(NATIVE)
    hashes = locked(LAYER) | native
    for component in bill["components"]:
        name = component["name"].replace("_", "-")
        package = (name, component["version"])
        component["name"] = name
        component["scope"] = "optional" if package in native else "required"
        distribution = {
            "type": "distribution",
            "url": component["purl"],
            "hashes": [{"alg": "SHA-256", "content": digest} for digest in hashes[package]],
        }
        component["externalReferences"] = [*component.get("externalReferences", []), distribution]
    print(json.dumps(bill, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
