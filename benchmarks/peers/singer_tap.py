"""Runs tap-dynamodb with the benchmark's endpoint: its local mode supports only port 8000."""

import os

import boto3
from tap_dynamodb import dynamodb, main

dynamodb.get_client = lambda config: boto3.client("dynamodb", region_name=config["region_name"])

if __name__ == "__main__":
    os.environ["AWS_ENDPOINT_URL_DYNAMODB"] = os.environ["AWS_ENDPOINT_URL"]
    main()
