"""Audits of data by the codes of a network: leaks, wrong labels, blind spots, novelty, coverage."""

from hashlens.audit.audit import Audit, audit
from hashlens.audit.audited_accuracy import AuditedAccuracy, audited_accuracy
from hashlens.audit.blind_spots import BlindSpots, blind_spots
from hashlens.audit.compare_models import ModelComparison, compare_models
from hashlens.audit.duplicates import Duplicates, duplicates
from hashlens.audit.label_issues import LabelIssues, label_issues
from hashlens.audit.leaks import Leaks, leaks
from hashlens.audit.novel_items import NovelItems
from hashlens.audit.novelty import Novelty
from hashlens.audit.out_of_sample import OutOfSample, out_of_sample
from hashlens.audit.views import Views, encode_views
from hashlens.audit.weighted_energy import weighted_energy
from hashlens.measures.coverage import Coverage, coverage

__all__ = [
    "Audit",
    "AuditedAccuracy",
    "BlindSpots",
    "Coverage",
    "Duplicates",
    "LabelIssues",
    "Leaks",
    "ModelComparison",
    "NovelItems",
    "Novelty",
    "OutOfSample",
    "Views",
    "audit",
    "audited_accuracy",
    "blind_spots",
    "compare_models",
    "coverage",
    "duplicates",
    "encode_views",
    "label_issues",
    "leaks",
    "out_of_sample",
    "weighted_energy",
]
