"""Retrieval: how well codes find rows of the same class, selection of bits, and controls of equal length."""

from hashlens.retrieval.bit_selection import Selection, preferred_bits, select_bits
from hashlens.retrieval.curve import QualityCurve, QualityPoint, quality_curve
from hashlens.retrieval.itq import itq_codes, principal_components
from hashlens.retrieval.model_curve import model_quality_curve
from hashlens.retrieval.quality import Distance, RetrievalQuality, retrieval_quality, retrieval_quality_features

__all__ = [
    "Distance",
    "QualityCurve",
    "QualityPoint",
    "RetrievalQuality",
    "Selection",
    "itq_codes",
    "model_quality_curve",
    "preferred_bits",
    "principal_components",
    "quality_curve",
    "retrieval_quality",
    "retrieval_quality_features",
    "select_bits",
]
