"""The emulator seen from outside: a started process, and AWS's own client."""
