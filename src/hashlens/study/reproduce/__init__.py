"""Reproduction of the paper's studies by name, and comparison of our figures with the paper's."""

from hashlens.study.reproduce.reproduce import reproduce
from hashlens.study.reproduce.reproduction import Reproduction

__all__ = ["Reproduction", "reproduce"]
