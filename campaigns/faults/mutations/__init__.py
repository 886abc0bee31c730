"""Mutations: promises that are broken intentionally, each with a schedule under which the campaign must detect it."""

from campaigns.faults.mutations import loads, neighbours
from campaigns.faults.mutations.mutation import MUTATIONS, QUIET, Mutation

__all__ = ["MUTATIONS", "QUIET", "TO_NEIGHBOURS", "Mutation", "loads", "neighbours"]

TO_NEIGHBOURS = [mutation for mutation in MUTATIONS if mutation.broken.__module__ == neighbours.__name__]
"""The mutations that break a promise to the other users of the warehouse."""
