"""Randomized tests of any length: the fault campaign (`make soak`) and the fuzzer (`make fuzz`)."""

from local import caller

caller.forget()  # before moto is imported, which reads AWS_PROFILE
