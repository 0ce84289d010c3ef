"""FAISS, imported at its first use; it is untyped here, since its type hints are incomplete."""

from importlib import import_module
from typing import Any


def load_faiss() -> Any:
    """Return the module ``faiss``."""
    return import_module("faiss")
