"""Clients of the emulator."""

from typing import Any

import boto3
from botocore.config import Config


def client(service: str, environment: dict[str, str]) -> Any:
    """Return a boto3 client from `AWS_…` variables as `.local/env` exports them."""
    session: Any = boto3.Session()
    return session.client(
        service,
        region_name=environment["AWS_REGION"],
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        config=Config(retries={"mode": "standard", "total_max_attempts": 5}),
    )
