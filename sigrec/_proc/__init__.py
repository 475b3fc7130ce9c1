"""What the system says of a process now."""
