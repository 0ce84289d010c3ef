"""The store of a study: what is to do, who does it, what is done and what was found, in SQLite or PostgreSQL."""

from hashlens.study.store.store import Store

__all__ = ["Store"]
