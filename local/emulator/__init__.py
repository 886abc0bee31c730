"""The AWS emulator: `emulator.py` starts it, and the other modules add the behaviour of AWS that it lacks."""
