"""boto3 clients for the commands: one session, the user's own credentials and retries."""

from functools import cached_property
from threading import Lock
from typing import Any

from demand.config import Config

_ATTEMPTS = 6  # throttled calls are repeated, but an operator is waiting
_CONNECT_SECONDS, _READ_SECONDS = 5, 30
# A function answers within its time limit; its call is not repeated, since it may have taken effect.
_FUNCTION_SECONDS = 150


class Clients:
    """Clients by service, each created once. Several threads may use them."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._made: dict[str, Any] = {}
        self._lock = Lock()

    def __call__(self, service: str) -> Any:
        """Return the client of a service by boto3's name for it."""
        with self._lock:
            if service not in self._made:
                self._made[service] = self._make(service)
            return self._made[service]

    @property
    def region(self) -> str | None:
        """The region that the clients use."""
        region: str | None = self._session.region_name
        return region

    @cached_property
    def _session(self) -> Any:
        import boto3  # noqa: PLC0415 - half a second, which --help does not need

        return boto3.Session(profile_name=self._config.profile.value, region_name=self._config.region.value)

    def _make(self, service: str) -> Any:
        from botocore.config import Config as Settings  # noqa: PLC0415 - the same

        attempts, seconds = (1, _FUNCTION_SECONDS) if service == "lambda" else (_ATTEMPTS, _READ_SECONDS)
        retries: Any = {"mode": "standard", "total_max_attempts": attempts}
        settings = Settings(retries=retries, connect_timeout=_CONNECT_SECONDS, read_timeout=seconds)
        return self._session.client(service, config=settings)
