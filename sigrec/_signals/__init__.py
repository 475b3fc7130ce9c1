"""What a signal and its siginfo are, and what they mean."""
