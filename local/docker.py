"""The Docker engine, if there is one, through its command line, which honours DOCKER_HOST and contexts."""

import ipaddress
import json
import subprocess

HOST = "host.docker.internal"  # this machine, as seen from a container
_ANSWER_SECONDS = 10.0


class DockerError(RuntimeError):
    """No engine answers, or a command failed; the message is one line."""


def bridge_address() -> str:
    """Return this machine's address on the network that containers are on; DockerError without an engine."""
    [bridge] = json.loads(docker("network", "inspect", "bridge"))
    for config in bridge["IPAM"]["Config"]:
        network = ipaddress.ip_network(config["Subnet"])
        if network.version == 4:  # noqa: PLR2004 - IPv4, like host-gateway
            # An engine that chose the network itself may omit the gateway; then it is the first address.
            return str(config.get("Gateway") or next(network.hosts()))
    raise DockerError("docker network inspect bridge: the bridge has no IPv4 network")


def run_python(image: str, code: str) -> None:
    """Run a line of Python in a new container of a Lambda image; DockerError when it fails or does not start."""
    reach = f"--add-host={HOST}:host-gateway"
    docker("run", "--rm", reach, "--entrypoint=/var/lang/bin/python3.13", image, "-c", code, seconds=60)


def docker(*arguments: str, seconds: float = _ANSWER_SECONDS) -> str:
    """Run the docker command and return its output; raises DockerError with its last line."""
    try:
        done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False, timeout=seconds)
    except FileNotFoundError:
        raise DockerError("there is no docker command on the PATH") from None
    except subprocess.TimeoutExpired:
        raise DockerError(f"docker {arguments[0]}: no answer within {seconds:.0f} s") from None
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.strip() and "--help'" not in line]
        raise DockerError(f"docker {arguments[0]}: {said[-1] if said else f'exit code {done.returncode}'}")
    return done.stdout
