"""The fault run: real services killed and cut off under load, and their books compared with a plain fold."""
