"""What ended a process, and who did it: from recordings and /proc, in words."""
