"""Programs that look for failures at random, for as long as one likes: `make soak` and `make fuzz`."""

from local import caller

caller.forget()  # before moto is imported, which reads AWS_PROFILE
