"""How this process is recorded: in which file, from when on, and for how long."""
