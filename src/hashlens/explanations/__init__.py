"""Explanations of a network's predictions by many methods, with measures of their quality."""

from hashlens.explanations.comparison import ExplanationComparison
from hashlens.explanations.explain import explain
from hashlens.explanations.explanation import Explanation, Interaction, Rule
from hashlens.explanations.methods import Method, explain_methods
from hashlens.explanations.quality import compare_explanations, score_explanation

__all__ = [
    "Explanation",
    "ExplanationComparison",
    "Interaction",
    "Method",
    "Rule",
    "compare_explanations",
    "explain",
    "explain_methods",
    "score_explanation",
]
