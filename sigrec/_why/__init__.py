"""Finds out what ended a process, and who did it, from
recordings and /proc; and says it in words."""
