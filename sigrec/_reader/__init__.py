"""The recording of any process, alive or ended: found, opened, read. Nothing here needs the core."""
