"""The fleet: what every recorded process of a host received, as metrics that only rise, and as a page."""
