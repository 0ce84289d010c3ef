"""A description of the machine that ran a measurement, without its host name."""

import os
import platform
from pathlib import Path


def machine() -> str:
    """Return processor, cores available to this process, and system: ``AMD EPYC, 2 cores, x86_64, Linux``."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    parts = [_processor(), f"{cores} core{'s' * (cores != 1)}", platform.machine(), platform.system()]
    return ", ".join(part for part in parts if part)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
