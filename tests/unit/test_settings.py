"""The functions' environment: what is missing or malformed is named."""

import pytest

from demand_pipeline.errors import ConfigurationError
from demand_pipeline.settings import PostgresSettings, StagingSettings, stack_name

POSTGRES = {
    "POSTGRES_HOST": "host",
    "POSTGRES_PORT": "5432",
    "POSTGRES_DATABASE": "database",
    "POSTGRES_SCHEMA": "schema",
    "POSTGRES_SECRET_ARN": "secret",
}


@pytest.mark.parametrize("port", [1, 5432, 65535])
def test_a_port_is_any_that_tcp_has(port: int) -> None:
    assert PostgresSettings.from_env({**POSTGRES, "POSTGRES_PORT": str(port)}).port == port


@pytest.mark.parametrize("port", ["0", "65536", "-1", "1.0", " 1", "٣", "postgres"])
def test_another_port_is_refused(port: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        PostgresSettings.from_env({**POSTGRES, "POSTGRES_PORT": port})
    assert str(caught.value) == f"POSTGRES_PORT: expected a port number, got {port!r}"


@pytest.mark.parametrize("name", [*POSTGRES, "STAGING_BUCKET", "STACK_NAME"])
def test_a_variable_that_is_missing_or_empty_is_named(name: str) -> None:
    read = {"STAGING_BUCKET": StagingSettings.from_env, "STACK_NAME": stack_name}.get(name, PostgresSettings.from_env)
    for env in ({**POSTGRES, name: ""}, {key: value for key, value in POSTGRES.items() if key != name}):
        with pytest.raises(ConfigurationError, match=f"^the environment variable {name} is missing or empty$"):
            read(env)
