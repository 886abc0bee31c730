"""A declaration for a table that has none yet: guessed from a sample, with doubts, and tried on the sample."""

from demand.infer.declare import Inferred, Rejects, infer
from demand.infer.sample import Limits

__all__ = ["Inferred", "Limits", "Rejects", "infer"]
