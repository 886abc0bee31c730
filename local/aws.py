"""Clients of the emulator, independent of the user's AWS profiles, proxies and endpoint settings."""

import os
from typing import Any

import boto3
import botocore.session
from botocore.config import Config


def client(service: str, environment: dict[str, str]) -> Any:
    """Return a boto3 client from `AWS_…` variables as `.local/env` exports them."""
    core = botocore.session.get_session()
    core.set_config_variable("config_file", os.devnull)
    core.set_config_variable("credentials_file", os.devnull)
    core.set_config_variable("profile", None)
    session: Any = boto3.Session(botocore_session=core)
    return session.client(
        service,
        region_name=environment["AWS_REGION"],
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        config=Config(proxies={}, retries={"mode": "standard", "total_max_attempts": 5}),
    )
