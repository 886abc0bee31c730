"""The AWS emulator: how it is started (`emulator.py`), and in the other modules what it lacks compared to AWS."""
