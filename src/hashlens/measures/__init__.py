"""Measures: pure functions of codes, features and labels, independent of networks, studies and reports."""

from hashlens.measures.bits_to_determinism import BitsToDeterminism, bits_to_determinism
from hashlens.measures.categorization import Categorization, categorization
from hashlens.measures.clustering_accuracy import hungarian_accuracy, purity
from hashlens.measures.controls import Control, feature_categorization, hyperplane_codes
from hashlens.measures.determinism import CollisionGroup, Determinism, determinism, rarefied, redundancy_ratio
from hashlens.measures.floor import Floor, floor
from hashlens.measures.kmeans import KMeansResult, kmeans
from hashlens.measures.knn import (
    knn_accuracy,
    knn_accuracy_features,
    knn_accuracy_leave_one_out,
    knn_predict,
    nearest_codes,
    nearest_features,
    vote,
)
from hashlens.measures.learning import Learning
from hashlens.measures.logistic import LogisticMethod, LogisticModel, logistic_regression
from hashlens.measures.regime import Regime, RegimeThresholds, regime
from hashlens.measures.separation import LayerSeparation, Separation, separation

__all__ = [
    "BitsToDeterminism",
    "Categorization",
    "CollisionGroup",
    "Control",
    "Determinism",
    "Floor",
    "KMeansResult",
    "LayerSeparation",
    "Learning",
    "LogisticMethod",
    "LogisticModel",
    "Regime",
    "RegimeThresholds",
    "Separation",
    "bits_to_determinism",
    "categorization",
    "determinism",
    "feature_categorization",
    "floor",
    "hungarian_accuracy",
    "hyperplane_codes",
    "kmeans",
    "knn_accuracy",
    "knn_accuracy_features",
    "knn_accuracy_leave_one_out",
    "knn_predict",
    "logistic_regression",
    "nearest_codes",
    "nearest_features",
    "purity",
    "rarefied",
    "redundancy_ratio",
    "regime",
    "separation",
    "vote",
]
