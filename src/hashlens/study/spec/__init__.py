"""The spec of a study: a typed YAML file; error messages give field and line."""

from hashlens.study.spec.section import Section
from hashlens.study.spec.spec import StudySpec

__all__ = ["Section", "StudySpec"]
