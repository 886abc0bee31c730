"""The emulator's process: `python -m local.emulator.server` in the emulator's own environment.

Its functions import from that environment too, so the layer's packages must not be installed there.
"""

from importlib.metadata import version

_MADE_FOR = "1.5.33"


def main() -> None:
    """Serve on BIND_HOST and GATEWAY_PORT until the process is stopped."""
    if (found := version("ministack")) != _MADE_FOR:
        raise SystemExit(f"local/emulator patches ministack {_MADE_FOR}, found {found}: check the patches")
    from ministack.app import main as serve  # noqa: PLC0415

    # After the check, because the modules replace functions of that version.
    from local.emulator import branches, endpoint, lambda_errors, redrive, roles, schedules, sizes, tasks  # noqa: F401, PLC0415

    serve()


if __name__ == "__main__":
    main()
