"""Evidence for the kind of a network's output: logits, probabilities or values."""

from dataclasses import replace
from typing import Any

import torch

from hashlens.codes.last_operator import (
    AFFINE,
    BATCH,
    LOG_SOFTMAX,
    SCALED_PROBABILITY,
    SIGMOID,
    SOFTMAX,
    LastOperators,
    Source,
)
from hashlens.errors import ModelError
from hashlens.nets.output import (
    BINARY,
    Output,
    OutputLike,
    as_scores,
    check_output,
    declared_output,
    parts_of,
    selected,
)
from hashlens.seeds import torch_generator

Tensor = torch.Tensor
MIN_ROWS = 64
"""Number of rows needed to decide from the values."""
LOOSEST = 0.5
"""Largest tolerance for a sum of probabilities."""
STEEP = 30
"""Median magnitude above which a single score is not taken for a logit."""
NAMES = (
    "logits",
    "scores",
    "probabilities",
    "probs",
    "predictions",
    "prediction",
    "preds",
    "pred",
    "outputs",
    "output",
)
"""Names of scores in outputs with several named parts."""
POSITIVE = ("relu", "softplus", "exp", "square", "abs", "pow")


class OutputEvidence:
    """Collects evidence for the kind of a network's output, and decides once.

    Parameters
    ----------
    output : str, callable, Output or None
        Kind that the user declares; None to decide from the evidence.
    model : object
        The model. A loaded network stores its decision. A single number is read as a regression from a plain function,
        and as a logit from a network.
    """

    def __init__(self, output: OutputLike, model: Any = None) -> None:
        check_output(output)
        self.declared = declared_output(model) if output is None else output
        self.operators = LastOperators()
        self._is_network = model is None or isinstance(model, torch.nn.Module)
        self._decided = self.declared if isinstance(self.declared, Output) else None
        self._started = self._scored = False
        self._location = Output("logits", "")
        self._source: Source | None = None
        self._rows: list[Tensor] = []

    @property
    def unsteady(self) -> tuple[str, ...]:
        """Reasons why codes and scores depend on chance, or on the batch."""
        return tuple(self.operators.unsteady) or ((BATCH,) if self.operators.batch_dependent else ())

    @property
    def rows(self) -> int:
        """Number of rows collected as evidence, at most MIN_ROWS."""
        return sum(map(len, self._rows))

    @property
    def gives_scores(self) -> bool:
        """Whether the output of some batch had a row of scores for each example."""
        return self._scored

    @property
    def is_settled(self) -> bool:
        """Whether more rows cannot change the decision."""
        operator = self._source.operator if self._source else ""
        decisive = operator in (SOFTMAX, SIGMOID, LOG_SOFTMAX)
        if self._rows and self._rows[0].shape[1] == 1:
            decisive |= operator in (AFFINE, *POSITIVE)
        elif operator == AFFINE:  # only rows that all lie in [0, 1] may be probabilities
            decisive = not all(in_unit_interval(rows) for rows in self._rows)
        return self._decided is not None or isinstance(self.declared, str) or decisive or self.rows >= MIN_ROWS

    def add(self, raw: Any, n: int) -> Tensor | None:
        """Record the output for n examples, and return its scores ``(n, K)``; None if it has none."""
        if not self._started and (self._decided is None or self._decided.reason == ""):
            self._location = self._locate(raw, n)
        self._started = True
        scores = (self._decided or self._location).scores(raw, n)
        self._scored |= scores is not None
        fits = scores is not None and all(part.shape[1] == scores.shape[1] for part in self._rows[:1])
        if scores is not None and fits and self._decided is None and self.rows < MIN_ROWS:
            self._rows.append(scores.detach()[: MIN_ROWS - self.rows].cpu())
        return scores

    def _locate(self, raw: Any, n: int) -> Output:
        """Return where the scores are in the output, and remember the operator that made them."""
        if callable(self.declared) and not isinstance(self.declared, Output):
            with self.operators:
                scores = as_scores(selected(self.declared, raw), n)
            self._source = None if scores is None else self._source_of(scores)
            return Output("logits", "", select=self.declared)
        parts = parts_of(raw, n)
        if not parts:
            return Output("logits", "")
        path, note = self._chosen(parts)
        self._source = self._source_of(parts[path])
        return Output("logits", "", part=path, notes=(note,) if note else ())

    def _source_of(self, scores: Tensor) -> Source | None:
        """Return the operator that computed the scores, which may be part of its result; None if it is unknown."""
        if (made := self.operators.source(scores)) is not None:
            return made
        part = self.operators.source_of_part(scores)
        return None if part is None else replace(part, is_part=True)

    def _chosen(self, parts: dict[tuple[str | int, ...], Tensor]) -> tuple[tuple[str | int, ...], str]:
        """Return the part of the output that holds the scores, and a note on the choice."""
        if len(parts) == 1:
            return next(iter(parts)), ""
        for name in NAMES:
            if named := [path for path in parts if path[-1] == name]:
                return named[0], ""
        sources = {
            path: source for path, part in parts.items() if (source := self.operators.source(part)) and source.is_scores
        }
        path = max(sources, key=lambda at: sources[at].order) if sources else next(iter(parts))
        if len(sources) == 1:
            return path, ""
        index = "".join(f"[{key!r}]" for key in path)
        reason = f"the last result of {sources[path].operator}" if sources else "the first"
        return path, (
            f"the model returns {len(parts)} tensors that may be scores: output{index} was used, {reason}; "
            "to choose another, give output=lambda output: output[...]"
        )

    def decide(self) -> Output:
        """Return how the output is read, from the evidence so far; the first decision is kept."""
        if self._decided is None:
            location = self._location
            if isinstance(self.declared, str):
                kind, reason, certain = self._checked_kind(self.declared), "as declared", True
            else:
                kind, reason, certain = self._infer()
            self._decided = Output(kind, reason, certain, location.part, location.select, location.notes)
            self._rows.clear()
        return self._decided

    def _checked_kind(self, kind: str) -> str:
        """Return the declared kind, for one score its two-class variant; raise ModelError if it does not fit."""
        k = self._rows[0].shape[1] if self._rows else 0
        if k == 1:
            return {"logits": "binary_logit", "probabilities": "binary_probability"}.get(kind, kind)
        if k > 1 and kind in BINARY:
            raise ModelError(f"output={kind!r} is one score for two classes, but the model gives {k}: declare another")
        return kind

    def _infer(self) -> tuple[str, str, bool]:
        operator = self._source.operator if self._source else ""
        if not self._rows:
            return "logits", "it gives no scores to decide from", False
        rows = torch.cat(self._rows).double()
        count, k = len(rows), rows.shape[1]
        in_unit_range = in_unit_interval(rows)
        reason = f"{operator} is its last operator"
        if operator == SOFTMAX and k > 1:
            if in_unit_range and adds_up(torch.cat(self._rows), loose=True):
                return "probabilities", reason, True
            return "logits", "softmax is its last operator, but not over the scores of an example", False
        is_part = self._source is not None and self._source.is_part
        if operator == SOFTMAX and is_part and k == 1:
            return "binary_probability", "one of the probabilities that softmax gave last", True
        if operator == SIGMOID:
            return ("binary_probability" if k == 1 else "multilabel_probabilities"), reason, True
        if operator == LOG_SOFTMAX and (k > 1 or not is_part):
            return "logits", f"{reason}, and the softmax of log-probabilities gives the probabilities", True
        if k > 1 and count >= MIN_ROWS and in_unit_range and adds_up(torch.cat(self._rows), loose=operator != AFFINE):
            return "probabilities", f"{count} rows add up to 1", True
        if operator == AFFINE and k == 1 and is_part:
            return "binary_logit", "one of the scores that an affine map gave last", False
        if operator == AFFINE:
            return ("logits", reason, True) if k > 1 else ("binary_logit", f"one score, and {reason}", True)
        if operator == SCALED_PROBABILITY and (k == 1 or not (in_unit_range or shared_total(rows))):
            return self._of_scaled_probabilities(rows, in_unit_range)
        if k == 1 and operator in POSITIVE:
            return "regression", f"one score, and {reason}, which logits do not have", True
        kind, explanation, certain = self._by_rows(rows, in_unit_range, operator)
        if kind == "binary_logit" and not (self._is_network and operator):
            return (
                "regression",
                ("one number, returned by a function; nothing shows whether it is a logit or a probability"),
                False,
            )
        if kind == "binary_probability" and not self._is_network:
            return kind, f"{explanation}, as the values of a regression may", False
        return kind, explanation, certain

    @staticmethod
    def _of_scaled_probabilities(rows: Tensor, in_unit_range: bool) -> tuple[str, str, bool]:
        """Return how probabilities that were averaged or multiplied are read, whichever examples there are."""
        if in_unit_range:
            both = bool((rows > 0.5).any()) and bool((rows < 0.5).any())
            return "binary_probability", f"computed by {SCALED_PROBABILITY}, and within [0, 1]", both
        reason = (
            f"computed by {SCALED_PROBABILITY}, not within [0, 1]; if these are percentages, divide them in output="
        )
        return ("regression", reason, True) if rows.shape[1] == 1 else ("logits", f"assumed: {reason}", False)

    @staticmethod
    def _by_rows(rows: Tensor, in_unit_range: bool, operator: str) -> tuple[str, str, bool]:
        count, k = rows.shape
        kind = "logits" if k > 1 else "binary_logit"
        if count < MIN_ROWS:
            operator_note = f"its last operator ({operator})" if operator else "no operator was seen that does"
            evidence = f"{operator_note} does not decide" if operator else operator_note
            return kind, f"assumed without evidence: {evidence}, nor do {count} rows, fewer than {MIN_ROWS}", False
        if not in_unit_range and k == 1 and float(rows.abs().median()) > STEEP:
            return "regression", f"half of {count} values are above {STEEP}, which is rare for logits", False
        if not in_unit_range and k == 1:
            return (
                kind,
                f"assumed without evidence: {count} values, not all in [0, 1], may be a regression too",
                False,
            )
        if not in_unit_range and (total := shared_total(rows)):
            note = (
                f"assumed without evidence: {count} rows all add up to {total:.4g}, like probabilities "
                "multiplied by this number"
            )
            return kind, f"{note}: divide them by it in output=", False
        if not in_unit_range:
            return kind, f"{count} rows do not all lie in [0, 1]", True
        if k == 1 and bool((rows > 0.5).any()) and bool((rows < 0.5).any()):
            return "binary_probability", f"{count} scores all lie in [0, 1], on both sides of 1/2", True
        return (
            kind,
            f"assumed without evidence: {count} rows lie in [0, 1]"
            + (" and do not add up to 1" if k > 1 else ", all on one side of 1/2"),
            False,
        )


def output_of(network: torch.nn.Module, x: Tensor, output: OutputLike = None) -> Output:
    """Return how a network's output is read, decided by running it on examples, and on inputs near them if it must.

    Parameters
    ----------
    network : torch.nn.Module
        The network, in evaluation mode.
    x : torch.Tensor
        Examples ``(n, *input)``; at most 64 are used, or the first if the network does not take several.
    output : str, callable, Output or None
        Kind that the user declares; None to decide.
    """
    evidence = OutputEvidence(output, network)
    if not _add_rows(evidence, network, x[:MIN_ROWS]):
        _add_rows(evidence, network, x[:1])
    if not evidence.is_settled and evidence.rows:
        _add_rows(evidence, network, _near(x, MIN_ROWS - evidence.rows))
    return evidence.decide()


def _add_rows(evidence: OutputEvidence, network: torch.nn.Module, x: Tensor) -> bool:
    """Add the output for some examples to the evidence; return False if the network does not take them."""
    try:
        with evidence.operators:
            raw = network(x.clone())
    except Exception:  # whatever a user's network raises; its caller runs it again, and reports the error
        return False
    evidence.add(raw, len(x))
    return True


def _near(x: Tensor, count: int) -> Tensor:
    """Return inputs near examples: with normal noise of a tenth of their range."""
    drawn = torch.randn((count, *x.shape[1:]), generator=torch_generator(0, "near"), dtype=torch.float64)
    span = float(x.max() - x.min()) or float(x.abs().max()) or 1.0
    return x[torch.arange(count) % len(x)] + 0.1 * span * drawn.to(x)


def in_unit_interval(scores: Tensor) -> bool:
    """Return whether all scores lie in [0, 1]."""
    return bool(((scores >= 0) & (scores <= 1)).all())


def adds_up(scores: Tensor, loose: bool) -> bool:
    """Return whether rows add up to 1, within the rounding error of their numbers.

    Parameters
    ----------
    scores : torch.Tensor
        ``(n, K)``: the scores.
    loose : bool
        Whether to allow for numbers that were rounded to half precision or to decimals before, and stored in a wider
        dtype.
    """
    values, k = scores.double(), scores.shape[1]
    epsilon = torch.finfo(scores.dtype).eps if scores.is_floating_point() else 0.0
    step = 0.0
    if loose:
        for dtype in (torch.float32, torch.float16, torch.bfloat16):
            if bool((values.to(dtype).double() == values).all()):
                epsilon = max(epsilon, torch.finfo(dtype).eps)
        for decimals in range(1, 7):
            if bool(((values - values.round(decimals=decimals)).abs() <= 4 * epsilon_of(scores)).all()):
                step = 10.0**-decimals
                break
    # The rounding errors of K numbers are independent, so that their sum grows like the square root of K.
    tolerance = epsilon * (4 + k**0.5) + step * 1.5 * k**0.5
    return bool(((values.sum(dim=1) - 1).abs() <= min(tolerance, LOOSEST)).all())


def shared_total(scores: Tensor) -> float:
    """Return the common sum of all rows of positive numbers, within 0.1 %; 0 if there is none."""
    totals = scores.sum(dim=1)
    mean = float(totals.mean())
    shared = bool((scores >= 0).all()) and mean > 0 and float((totals - mean).abs().max()) <= 1e-3 * mean
    return mean if shared and scores.shape[1] > 1 else 0.0


def epsilon_of(scores: Tensor) -> float:
    """Return the relative rounding error of a tensor's dtype."""
    return torch.finfo(scores.dtype).eps if scores.is_floating_point() else 0.0
