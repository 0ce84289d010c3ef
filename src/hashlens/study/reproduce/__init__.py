"""Reproduce: the paper's studies by name, ours beside the paper's."""

from hashlens.study.reproduce.reproduce import reproduce
from hashlens.study.reproduce.reproduction import Reproduction

__all__ = ["Reproduction", "reproduce"]
