"""The spec of a study: a typed YAML file whose errors name field and line."""

from hashlens.study.spec.spec import StudySpec, check_against

__all__ = ["StudySpec", "check_against"]
