"""The fault campaign: runs of the whole pipeline with random faults, each compared with the reference."""
