"""Tests give the same results in every shell."""

from local import caller

caller.forget(terminal=False)  # before tests/conftest.py imports moto, which reads AWS_PROFILE
