"""The emulator of AWS: how it is started (`emulator.py`), and what it still lacks of AWS, in the other modules."""
