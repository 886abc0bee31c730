"""Where the functions find AWS: here, whatever their environment says.

The template declares AWS_ENDPOINT_URL as empty, which means AWS itself.
"""

from ministack.core import lambda_runtime

lambda_runtime._RESERVED_RUNTIME_ENV_VARS = frozenset({*lambda_runtime._RESERVED_RUNTIME_ENV_VARS, "AWS_ENDPOINT_URL"})
