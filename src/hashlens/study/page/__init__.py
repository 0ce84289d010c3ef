"""The page of a study: its regimes to play with, curves, effects and origin."""
