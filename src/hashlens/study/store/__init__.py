"""The store of a study in SQLite or PostgreSQL: its runs, the workers that compute them, and the results."""

from hashlens.study.store.store import Store

__all__ = ["Store"]
