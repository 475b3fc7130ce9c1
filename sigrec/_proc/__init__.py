"""What the operating system says about a process now."""
