"""Predictions: the codes and the class probabilities of examples, from one pass of a network."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, Float64

from hashlens.codes.capture import CapturedBatch
from hashlens.codes.codes import Codes
from hashlens.codes.encode import CodeRows
from hashlens.codes.reader import Reader
from hashlens.codes.reading import Reading
from hashlens.errors import AuditError
from hashlens.nets.output import Output


@dataclass(frozen=True, eq=False)
class Predictions:
    """Codes and class probabilities of n examples.

    Attributes
    ----------
    codes : Codes
        n rows.
    probabilities : numpy.ndarray
        float64 ``(n, c)``: class probabilities; each row adds up to 1.
    output : Output
        How the output of the network is read.
    unsteady : tuple of str
        Reasons why codes and scores may change from run to run, or with the batch.
    """

    codes: Codes
    probabilities: npt.NDArray[np.float64]
    output: Output
    unsteady: tuple[str, ...] = ()


def predict(
    model: torch.nn.Module, data: Any, reading: Reading | None = None, *, per_layer: bool = False
) -> Predictions:
    """Return the codes and class probabilities of examples, from one pass of a network.

    Parameters
    ----------
    model, data
        As in :func:`hashlens.encode`.
    reading : Reading, optional
        How codes and the output are read.
    per_layer : bool
        As in :func:`hashlens.encode`.

    Raises
    ------
    AuditError
        If the output of the network is not one row of finite class scores for each example.
    """
    rows, scores = CodeRows(), list[torch.Tensor]()
    with Reader(model, data, reading or Reading(batch_size=256), per_layer=per_layer) as reader:
        for batch, captured in reader:
            rows.append(batch, captured)
            scores.append(_scores(captured, len(batch), reader))
    output = reader.output
    return Predictions(
        rows.codes(reader), class_probabilities(torch.cat(scores), output), output, reader.evidence.unsteady
    )


def _scores(captured: CapturedBatch, size: int, reader: Reader) -> torch.Tensor:
    scores, raw = captured.scores, captured.output
    if scores is None or not scores.is_floating_point():
        received = tuple(raw.shape) if isinstance(raw, torch.Tensor) else type(raw).__name__
        raise AuditError(
            f"{type(reader.model).__name__} must give one row of scores for each example, received "
            f"{received} for a batch of {size}: audit a classifier, or give output=, a function that "
            "converts its output to scores"
        )
    return scores.detach().double().cpu()


def predict_both(
    model: torch.nn.Module, train: Any, test: Any, reading: Reading, *, per_layer: bool
) -> tuple[Predictions, Predictions]:
    """Run a network over train and over test, and read both outputs in the way that the outputs on train suggest."""
    first = predict(model, train, reading, per_layer=per_layer)
    return first, predict(model, test, replace(reading, output=first.output), per_layer=per_layer)


def class_probabilities(
    scores: Float[torch.Tensor, "n outputs"], output: Output
) -> Float64[npt.NDArray[np.float64], "n classes"]:
    """Return scores as probabilities of mutually exclusive classes, float64 ``(n, c)``; each row adds up to 1.

    Parameters
    ----------
    scores : torch.Tensor
        ``(n, K)``: outputs of the network.
    output : Output
        How the outputs are read.

    Raises
    ------
    AuditError
        If a score is not finite, or the output does not have mutually exclusive classes.
    """
    if output.regression or output.multilabel:
        noun = "values" if output.regression else "classes of which an example may have several"
        raise AuditError(
            f"the output is read as {output}, {noun}, but an audit needs one class per example: if it is a "
            "classifier, give output='logits', 'probabilities' or a function that returns such scores"
        )
    values = scores.double()
    if undefined := int((~values.isfinite()).any(dim=1).sum()):
        raise AuditError(
            f"the scores of {undefined:,} of {len(values):,} examples are not finite: check the weights of the network"
        )
    probabilities = output.probabilities(values)
    if output.kind in ("logits", "binary_logit"):
        return probabilities.numpy()
    total = probabilities.sum(dim=1, keepdim=True)
    if bool((probabilities < 0).any()) or bool((probabilities > 1).any()) or bool((total <= 0).any()):
        raise AuditError(f"the output is read as {output}, but some rows are not probabilities: give output='logits'")
    # Probabilities in low precision do not add up to exactly 1.
    return (probabilities / total).numpy()
