"""Explanations: why this answer, by every common method, and how far the reason holds."""

from hashlens.explanations.explain import explain
from hashlens.explanations.explanation import Explanation, Interaction, Rule
from hashlens.explanations.methods import explain_methods

__all__ = ["Explanation", "Interaction", "Rule", "explain", "explain_methods"]
