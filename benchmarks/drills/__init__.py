"""Drills: thousands of hostile inputs, kills and odd machines, each judged by how the command ends. See `__main__`."""
