"""What the world outside promises, seen over HTTP."""
