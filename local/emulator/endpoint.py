"""Directs the functions to this emulator, even if their environment sets another endpoint.

The template declares AWS_ENDPOINT_URL as empty, which means AWS itself.
"""

from ministack.core import lambda_runtime

lambda_runtime._RESERVED_RUNTIME_ENV_VARS = frozenset({*lambda_runtime._RESERVED_RUNTIME_ENV_VARS, "AWS_ENDPOINT_URL"})
