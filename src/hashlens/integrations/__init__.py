"""Integrations: hashlens in other training tools.

:mod:`hashlens.integrations.lightning` and :mod:`hashlens.integrations.transformers` must be imported explicitly, since
each needs its package.
"""

from hashlens.integrations.history import CodeHistory, CodeReading
from hashlens.integrations.monitor import CodeMonitor

__all__ = ["CodeHistory", "CodeMonitor", "CodeReading"]
