"""Contracts that every implementation of a part must pass, those of third parties too."""
