"""Reading claims from YAML, and testing them."""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from hashlens.errors import StudyError, nearest
from hashlens.study.claims.claim import Claim
from hashlens.study.claims.correlation import Correlation
from hashlens.study.claims.difference import Difference
from hashlens.study.claims.equivalence import Equivalence
from hashlens.study.claims.finding import Finding
from hashlens.study.claims.lines import computed_lines, overall_verdict
from hashlens.study.claims.threshold import Threshold
from hashlens.study.claims.trend import Trend
from hashlens.study.results import Results
from hashlens.study.spec.lines import FieldPath, Source, read_yaml

KINDS: dict[str, type[Claim]] = {
    "difference": Difference,
    "equivalence": Equivalence,
    "trend": Trend,
    "correlation": Correlation,
    "threshold": Threshold,
}
AnyClaim = Annotated[Difference | Equivalence | Trend | Correlation | Threshold, Field(discriminator="kind")]
_CLAIMS = TypeAdapter(tuple[AnyClaim, ...])


def read_claims(text: str, where: str = "claims.yaml") -> tuple[Claim, ...]:
    """Return the claims listed under ``claims`` in YAML text.

    Parameters
    ----------
    text : str
        YAML text, such as ``claims: [{says: R falls with width, kind: trend, measures: [redundancy_ratio], over: width,
        direction: falls}]``.
    where : str
        Name of the source, for errors.

    Raises
    ------
    StudyError
        If a claim is invalid; the message names the field, its line, the value received and what is allowed.
    """
    fields, source = read_yaml(text, where)
    if set(fields) != {"claims"}:
        raise source.error(((), f"expected the one field claims, received {', '.join(fields) or 'nothing'}"))
    return claims_of(fields["claims"], source)


def claims_of(mappings: Any, source: Source, field_path: FieldPath = ("claims",)) -> tuple[AnyClaim, ...]:
    """Return the claims in a list of mappings; errors name the field and its line."""
    if not isinstance(mappings, list | tuple):
        raise source.error((field_path, f"must be a list of claims, received {mappings!r:.60}"))
    for i, fields in enumerate(mappings):
        if not isinstance(fields, dict):
            raise source.error(((*field_path, i), f"must be a mapping of fields, received {fields!r:.60}"))
        if fields.get("kind") not in KINDS:
            received = f"received {fields['kind']!r:.40}; " if "kind" in fields else ""
            path = (*field_path, i, *(("kind",) if "kind" in fields else ()))
            raise source.error((path, f"a claim has a kind: {received}{nearest(str(fields.get('kind')), KINDS)}"))
    try:
        return _CLAIMS.validate_python(tuple(mappings))
    except ValidationError as error:
        raise source.error(*_field_errors(error, field_path)) from None


def decide(results: Results, claim: Claim) -> Finding:
    """Test a claim on the results of a study.

    Each number in the claim has an interval over repeats, which are paired if two things are compared.

    Parameters
    ----------
    results : Results
        Results of a study.
    claim : Claim
        The claim.

    Raises
    ------
    StudyError
        If the results lack data that the claim needs.
    """
    if not isinstance(claim, Claim):
        raise StudyError(f"expected a claim, as read_claims returns, received a {type(claim).__name__}")
    lines = computed_lines(claim.pending_lines(results), claim.confidence)
    return Finding(claim.says, _kind(claim), overall_verdict(lines), lines, claim.confidence)


def decide_or_explain(results: Results, claim: Claim) -> Finding:
    """Test a claim; it is inconclusive, with the reason, if the results lack data that it needs."""
    try:
        return decide(results, claim)
    except StudyError as error:
        return Finding(claim.says, _kind(claim), "inconclusive", (), claim.confidence, str(error))


def _kind(claim: Claim) -> str:
    return next(name for name, kind in KINDS.items() if isinstance(claim, kind))


def _field_errors(error: ValidationError, base: FieldPath) -> Iterator[tuple[FieldPath, str]]:
    """Yield the path of each wrong field, and what is wrong with it."""
    for problem in error.errors(include_url=False):
        index, *rest = problem["loc"]
        kind = KINDS.get(str(rest[0])) if rest else None
        inner = tuple(part for part in rest[1:] if kind is None or part in _fields(kind) or isinstance(part, int))
        path = (*base, index, *inner)
        if problem["type"] == "unexpected_keyword_argument":
            name = str(problem["loc"][-1])
            yield (*base, index, name), f"unknown field; {nearest(name, _fields(kind)) if kind else ''}"
        elif problem["type"] == "missing":
            yield path, "is missing"
        else:
            message = str(problem.get("ctx", {}).get("error", problem["msg"]))
            yield path, f"{message[:1].lower()}{message[1:]}, received {problem['input']!r:.60}" if inner else message


def _fields(kind: type[Claim]) -> tuple[str, ...]:
    return tuple(kind.__dataclass_fields__)
