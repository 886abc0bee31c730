"""Infers a declaration from a sample of a table, notes doubts, and tries it on the sample."""

from demand.infer.declare import Inferred, Rejects, infer
from demand.infer.sample import Limits

__all__ = ["Inferred", "Limits", "Rejects", "infer"]
