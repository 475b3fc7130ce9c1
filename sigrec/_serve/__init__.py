"""Serves what every recorded process of a host receives, as
metrics that only rise, and as a page."""
