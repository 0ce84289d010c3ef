"""The HTML page of a study: interactive regimes, curves, effects and provenance."""
