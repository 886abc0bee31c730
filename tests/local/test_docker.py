"""The engine's answers, and one clear line if it fails."""

import ipaddress
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from local import docker, docker_test
from local.console import Console
from local.docker import DockerError

type Engine = Callable[..., None]


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """A `docker` that prints and fails as it is told, by its first argument."""

    def make(**answers: str) -> None:
        cases = "".join(f"{name}) {script} ;;\n" for name, script in answers.items())
        program = tmp_path / "docker"
        program.write_text(f'#!/bin/sh\ncase "$1" in\n{cases}*) echo "unexpected: $*" >&2; exit 1 ;;\nesac\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.defpath}")

    return make


def bridge(**config: str) -> str:
    return f"echo '{json.dumps([{'IPAM': {'Config': [{'Subnet': 'fd00::/80'}, config]}}])}'"


@pytest.mark.parametrize(
    ("config", "address"),
    [
        ({"Subnet": "172.17.0.0/16", "Gateway": "172.17.0.9"}, "172.17.0.9"),
        ({"Subnet": "172.17.0.0/16"}, "172.17.0.1"),
    ],
)
def test_the_address_is_the_bridges_gateway_or_its_networks_first(
    engine: Engine, config: dict[str, str], address: str
) -> None:
    engine(network=bridge(**config))
    assert docker.bridge_address() == address


def test_a_real_engine_names_its_bridges_address() -> None:
    try:
        docker.docker("version", "--format={{.Server.Version}}")
    except DockerError as failure:
        pytest.skip(f"no Docker engine: make test-docker not covered ({failure})")
    assert ipaddress.ip_address(docker.bridge_address()).is_private


def test_without_a_docker_command_the_message_names_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DockerError, match=r"^no Docker engine, .*: there is no docker command on the PATH$"):
        docker_test.find_image(Console())


def test_without_an_engine_the_message_has_the_clients_words(engine: Engine) -> None:
    engine(network='echo "Cannot connect to the Docker daemon" >&2; exit 1')
    with pytest.raises(
        DockerError, match=r"^no Docker engine, .*: docker network: Cannot connect to the Docker daemon$"
    ):
        docker_test.find_image(Console())


def test_an_engine_that_hangs_is_given_up(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    engine(network="exec sleep 60")
    with pytest.raises(DockerError, match=r"^docker network: no answer within 0 s$"):
        docker.docker("network", seconds=0.1)


def test_an_engine_that_does_not_start_a_container_is_named_in_one_line(engine: Engine) -> None:
    refused = "docker: Error response from daemon: OCI runtime create failed: operation not permitted"
    engine(
        network=bridge(Subnet="172.17.0.0/16"),
        pull="echo no such host >&2; exit 1",
        image='[ "$2" = ls ] && echo 0123456789ab || echo map[]',
        run=f'echo "{refused}" >&2; echo >&2; echo "Run \'docker run --help\' for more information" >&2; exit 125',
    )
    with pytest.raises(DockerError) as caught:
        docker_test.find_image(Console())
    [line] = str(caught.value).splitlines()
    assert line.startswith("the engine cannot run Python in public.ecr.aws/lambda/python:3.13-")
    assert line.endswith(f": docker run: {refused}")


def test_the_registrys_image_is_used_where_one_answers(
    engine: Engine, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    asked = tmp_path / "asked"
    engine(network=bridge(Subnet="172.17.0.0/16"), pull=f'echo "$@" > {asked}', image="echo map[]", run="true")
    image = docker_test.find_image(Console())
    assert asked.read_text() == f"pull --quiet {image}\n"
    assert f"{image}\n" in capfd.readouterr().out
