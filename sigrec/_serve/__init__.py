"""Serves metrics that only rise, and a page, of all recorded processes of a host."""
