"""The fault run: real services killed, cut off and moved about under load, and their books compared with a plain fold."""
