"""Finds, opens and reads the recording of any process, alive
or ended. Nothing here needs the core."""
