"""The layer as sam build makes it: pure Python, and whole but for what Lambda's runtime brings."""

import importlib.util
import json
import os
import pkgutil
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import demand_pipeline
from local import sam
from tests.template.loaded import TEMPLATE

pytestmark = pytest.mark.long

# In Lambda's Python 3.13 runtime, with the standard library.
RUNTIME = ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six.py", "urllib3")
SITE_PACKAGES = Path(pytest.__file__).parents[1]
LAYER = pytest.mark.xdist_group("layer")  # one worker builds it


@pytest.fixture(scope="module")
def layer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("layer"))


def built(folder: Path, *variables: str) -> Path:
    """The layer, as `sam build` makes it with these variables in its environment."""
    command = ["make", "-s", "-C", "layers/shared", "build-SharedLayer", f"ARTIFACTS_DIR={folder}", *variables]
    path = f"{Path('.venv-sam', 'bin').absolute()}:{os.environ['PATH']}"  # as README says for `sam build`
    subprocess.run(command, check=True, capture_output=True, env=os.environ | {"PATH": path})
    return folder / "python"


@LAYER
def test_the_layer_has_no_native_code_and_no_programs(layer: Path) -> None:
    assert [path.name for path in layer.rglob("*") if path.suffix in (".so", ".pyd", ".dylib")] == []
    assert not (layer / "bin").exists()


def test_a_native_layer_has_isal_for_both_architectures_and_no_other_native_code(tmp_path: Path) -> None:
    native = [path.relative_to(tmp_path / "python") for path in built(tmp_path, "NATIVE=yes").rglob("*.so")]
    machines = {path.name.split("-")[2] for path in native}
    assert (machines, {path.parts[0] for path in native}) == ({"x86_64", "aarch64"}, {"isal"})
    assert len(native) % 2 == 0


def test_sam_does_not_take_one_layer_from_its_cache_when_the_other_is_wanted(tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree("layers", project / "layers", ignore=shutil.ignore_patterns("__pycache__"))
    # SAM does not keep a cache if it is asked for one resource of a template.
    template = {"Transform": TEMPLATE["Transform"], "Resources": {"SharedLayer": TEMPLATE["Resources"]["SharedLayer"]}}
    (project / "template.json").write_text(json.dumps(template))
    variant = project / "layers" / "shared" / "variant.mk"
    plain = variant.read_text()
    found = []
    for text in (plain, plain.replace("NATIVE = no", "NATIVE = yes"), plain):
        variant.write_text(text)
        command = [str(Path(".venv-sam/bin/sam").absolute()), "build", "--cached", "--template-file", "template.json"]
        subprocess.run(command, cwd=project, check=True, capture_output=True, env=sam.environment(tmp_path, {}))
        found.append((project / ".aws-sam" / "build" / "SharedLayer" / "python" / "isal").exists())
    assert found == [False, True, False]


def test_a_variant_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refused:
        built(tmp_path, "NATIVE=1")
    assert b"expected NATIVE = yes or no, got '1'" in refused.value.stderr


@LAYER
def test_the_layer_needs_nothing_but_itself_and_the_runtime(layer: Path, tmp_path: Path) -> None:
    for name in RUNTIME:
        (tmp_path / name).symlink_to(SITE_PACKAGES / name)
    modules = [f"demand_pipeline.{module.name}" for module in pkgutil.iter_modules(demand_pipeline.__path__)]
    modules += ["demand_pipeline.load.transaction", "demand_pipeline.transform.rows"]
    path = [str(layer), str(tmp_path)]
    imports = f"import sys; sys.path[:0] = {path}\nimport {', '.join(modules)}"
    subprocess.run([sys.executable, "-I", "-S", "-c", imports], check=True)


@LAYER
def test_the_layer_carries_what_the_library_reads(layer: Path) -> None:
    source, copied = Path(demand_pipeline.__path__[0]), layer / "demand_pipeline"
    read = [file.relative_to(source) for kind in ("*.pem", "*.sql") for file in source.rglob(kind)]
    assert read
    assert [file for file in read if (copied / file).read_bytes() != (source / file).read_bytes()] == []


@LAYER
def test_the_layer_brings_bytecode_that_counts_whatever_the_dates(layer: Path) -> None:
    sources = list(layer.rglob("*.py"))
    assert sources
    for source in sources:
        bytecode = Path(importlib.util.cache_from_source(str(source))).read_bytes()
        assert bytecode[:4] == importlib.util.MAGIC_NUMBER
        assert bytecode[4:8] == b"\x01\0\0\0"  # PEP 552: by hash, and not checked


@LAYER
def test_the_layer_s_bytecode_does_not_depend_on_where_it_was_built(layer: Path) -> None:
    bytecode = Path(importlib.util.cache_from_source(str(layer / "demand_pipeline" / "settings.py"))).read_bytes()
    assert b"/opt/python/demand_pipeline/settings.py" in bytecode
    assert str(layer).encode() not in bytecode
