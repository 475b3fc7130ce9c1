"""Python code that runs for signals, and signals that Python code sends."""
