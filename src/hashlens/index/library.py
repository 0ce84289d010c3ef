"""FAISS, loaded where it is used first: the type hints that it brings lack much of what it has."""

from importlib import import_module
from typing import Any


def load_faiss() -> Any:
    """Return the module ``faiss``."""
    return import_module("faiss")
