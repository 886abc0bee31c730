"""The packages for Lambda are locked, and their bill of materials is complete."""

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from scripts.sbom import locked

ROOT = Path(__file__).parents[2]
LAYER = ROOT / "layers" / "shared" / "requirements.txt"
NATIVE = ROOT / "layers" / "shared" / "native.txt"
LOCKS = [LAYER, NATIVE, *sorted((ROOT / "requirements").glob("*.txt"))]
# Of the packages' metadata: an SPDX identifier or a trove classifier. None of them restricts how a program may be used.
LICENCES = {
    "Apache-2.0",
    "License :: OSI Approved :: Apache Software License",
    "License :: OSI Approved :: BSD License",
    "MIT",
    "MIT-0",
    "PSF-2.0",
}


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


def test_nothing_is_installed_without_hashes_but_the_project_itself() -> None:
    files = [
        path for name in ("Makefile", "*.mk", "*.yml", "run") for path in ROOT.rglob(name) if ".venv" not in str(path)
    ]
    texts = [path.read_text("utf-8").replace("\\\n", "") for path in files]
    lines = [line for text in texts for line in re.findall(r".*\bpip (?:install|sync)\b.*", text)]
    assert len(lines) > 3
    assert [line for line in lines if "--require-hashes" not in line and "--editable ." not in line] == []


def test_the_audit_reads_the_lock_of_whatever_runs_with_credentials() -> None:
    shown = subprocess.run(["make", "-s", "-n", "audit"], cwd=ROOT, check=True, capture_output=True, text=True).stdout  # noqa: S607
    [audited] = re.findall(r"for lock in (.*?); do", shown)
    expected = {"layers/shared/requirements.txt", "layers/shared/native.txt"}  # in Lambda
    expected |= {
        f"requirements/{name}.txt" for name in ("dev", "runtime", "sam", "uv")
    }  # demand, sam, what installs them
    assert set(audited.split()) == expected


@pytest.mark.long
@pytest.mark.xdist_group("sbom")
def test_the_bill_of_materials_names_the_project_and_every_package_with_licence_hashes_and_dependencies(
    written: dict[str, Any],
) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    root = written["metadata"]["component"]
    assert (root["name"], root["version"]) == (project["name"], project["version"])
    assert [entry["license"]["id"] for entry in root["licenses"]] == [project["license"]]
    named = {
        (component["name"], component["version"]): [
            entry["content"]
            for reference in component["externalReferences"]
            if reference["type"] == "distribution"
            for entry in reference["hashes"]
        ]
        for component in written["components"]
    }
    assert named == locked(LAYER) | locked(NATIVE)
    for component in written["components"]:
        assert component["purl"] == f"pkg:pypi/{component['name']}@{component['version']}"
        assert component["scope"] == ("optional" if component["name"] == "isal" else "required")
        assert {name for entry in component["licenses"] for name in entry["license"].values()} - {
            "declared"
        } <= LICENCES
    needs = {entry["ref"]: entry.get("dependsOn", []) for entry in written["dependencies"]}
    names = {component["bom-ref"]: component["name"] for component in written["components"]}
    assert {names[ref] for ref in needs[root["bom-ref"]]} == {"aws-lambda-powertools", "pg8000"}
    reached = {ref for refs in needs.values() for ref in refs}
    assert {name for ref, name in names.items() if ref not in reached} == {"isal"}


@pytest.mark.long
@pytest.mark.xdist_group("sbom")
def test_the_bill_of_materials_is_the_same_every_time(written: dict[str, Any], tmp_path: Path) -> None:
    assert json.dumps(bill(tmp_path)) == json.dumps(written)
