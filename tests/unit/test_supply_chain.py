"""What goes into Lambda is locked, and its bill of materials is complete."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
LAYER = ROOT / "layers" / "shared" / "requirements.txt"
NATIVE = ROOT / "layers" / "shared" / "native.txt"
LOCKS = [LAYER, NATIVE, *sorted((ROOT / "requirements").glob("*.txt"))]
PACKAGE = re.compile(r"^([a-z0-9-]+)==(\S+)((?: \\\n    --hash=sha256:[0-9a-f]{64})+)$", re.MULTILINE)


def locked(path: Path) -> dict[tuple[str, str], set[str]]:
    """The hashes of every package and version that a lock names."""
    found = PACKAGE.findall(path.read_text(encoding="utf-8"))
    return {(name, version): set(re.findall(r"sha256:(\w+)", hashes)) for name, version, hashes in found}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The bill of materials, which takes seconds."""
    return bill(tmp_path_factory.mktemp("sbom"))


def bill(folder: Path) -> dict[str, Any]:
    path = folder / "sbom.json"
    subprocess.run([shutil.which("make") or "make", "-s", "sbom", f"SBOM={path}"], cwd=ROOT, check=True)
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.stem)
def test_every_line_of_a_lock_names_a_version_with_hashes_and_no_address(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    assert sum(1 + len(hashes) for hashes in locked(path).values()) == len(lines)
    assert not re.search(r"https?://|^--|@ ", "\n".join(lines), re.MULTILINE)


def test_every_postgresql_server_is_locked_with_a_hash_and_no_address() -> None:
    folder = ROOT / "requirements" / "postgres"
    declared = json.loads((folder / "package.json").read_text(encoding="utf-8"))["optionalDependencies"]
    packages = json.loads((folder / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    assert packages.pop("")["optionalDependencies"] == declared
    assert {
        path.removeprefix("node_modules/"): f"npm:{found['name']}@{found['version']}"
        for path, found in packages.items()
    } == declared
    for found in packages.values():
        assert re.fullmatch(r"sha512-[A-Za-z0-9+/]{86}==", found["integrity"])
        assert "resolved" not in found


def test_every_action_is_pinned_by_its_commit_and_the_same_everywhere() -> None:
    """A tag can be moved to other code; the comment names the release for whoever updates it."""
    texts = [path.read_text("utf-8") for path in (*(ROOT / ".github").rglob("*.yml"), *(ROOT / "docs").glob("*.md"))]
    used = [line for text in texts for line in re.findall(r"uses: (.*)", text)]
    pinned = [re.fullmatch(r"([\w-]+/[\w-]+)@([0-9a-f]{40})  # v\d+\.\d+\.\d+", line) for line in used]
    assert [line for line, pin in zip(used, pinned, strict=True) if pin is None] == []
    assert len({pin[1] for pin in pinned if pin}) == len({pin[0] for pin in pinned if pin}) > 3


def test_the_security_page_speaks_of_the_locked_versions() -> None:
    page = (ROOT / "SECURITY.md").read_text("utf-8")
    versions = dict([*locked(LAYER), *locked(NATIVE)])
    named = re.findall(r"`([a-z0-9-]+)` (\d[\d.]*\d)", page)
    assert ("asn1crypto", versions["asn1crypto"]) in named
    assert [(name, version) for name, version in named if versions.get(name) != version] == []


def test_every_environment_is_locked() -> None:
    declared = {path.stem for path in (ROOT / "requirements").glob("*.in")} - {"layer"}
    assert {path.stem for path in LOCKS[1:]} == declared


@pytest.mark.long
@pytest.mark.xdist_group("sbom")
def test_the_bill_of_materials_names_every_package_of_the_layer_with_version_and_hashes(
    written: dict[str, Any],
) -> None:
    assert (written["bomFormat"], written["metadata"]["component"]["name"]) == ("CycloneDX", "demand-pipeline")
    named = {
        (component["name"], component["version"]): {
            entry["content"]
            for reference in component["externalReferences"]
            for entry in reference["hashes"]
            if entry["alg"] == "SHA-256"
        }
        for component in written["components"]
    }
    assert named == locked(LAYER)
    assert {component["purl"] for component in written["components"]} == {
        f"pkg:pypi/{name}@{version}" for name, version in named
    }


@pytest.mark.long
@pytest.mark.xdist_group("sbom")
def test_the_bill_of_materials_is_the_same_every_time(written: dict[str, Any], tmp_path: Path) -> None:
    assert json.dumps(bill(tmp_path)) == json.dumps(written)
