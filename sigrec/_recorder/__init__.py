"""This process is recorded: where, for how long, and how that begins."""
