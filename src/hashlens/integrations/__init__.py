"""Integrations: hashlens inside the tools that people train with.

:mod:`hashlens.integrations.lightning` and :mod:`hashlens.integrations.transformers` are imported by name, since they
need the package that they serve.
"""

from hashlens.integrations.history import CodeHistory, CodeReading
from hashlens.integrations.monitor import CodeMonitor

__all__ = ["CodeHistory", "CodeMonitor", "CodeReading"]
