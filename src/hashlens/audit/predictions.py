"""Predictions: the codes of a network on examples, and the probabilities of its classes, from one pass."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from hashlens.codes.codes import Codes
from hashlens.codes.encode import CodeRows
from hashlens.codes.observe import first_tensor
from hashlens.codes.reader import Reader, Reading
from hashlens.errors import AuditError

SUMS_TO_ONE = 1e-3


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a network makes of n examples.

    Attributes
    ----------
    codes : Codes
        n rows.
    probabilities : numpy.ndarray
        float64 ``(n, c)``.
    """

    codes: Codes
    probabilities: npt.NDArray[np.float64]


def predict(model: torch.nn.Module, data: Any, reading: Reading | None = None) -> Predictions:
    """Run a network over examples once.

    Parameters
    ----------
    model, data
        As :func:`hashlens.encode` takes them.
    reading : Reading, optional
        How codes are read.

    Raises
    ------
    AuditError
        If the output of the network is not one row of finite scores for each example.
    """
    rows, scores = CodeRows(), list[torch.Tensor]()
    with Reader(model, data, reading or Reading(batch_size=256)) as reader:
        for batch, captured in reader:
            rows.append(batch, captured)
            scores.append(_scores(captured.output, len(batch), reader))
    return Predictions(rows.codes(reader), class_probabilities(torch.cat(scores)))


def _scores(output: Any, size: int, reader: Reader) -> torch.Tensor:
    found = first_tensor(output)
    if found is None or found.dim() not in (1, 2) or len(found) != size or not found.is_floating_point():
        what = type(output).__name__ if found is None else tuple(found.shape)
        raise AuditError(
            f"{type(reader.model).__name__} must give one row of scores for each example, received {what} for a batch "
            f"of {size}: audit a classifier, or give forward= that returns its scores"
        )
    return found.reshape(size, -1).double().cpu()


def class_probabilities(scores: torch.Tensor) -> npt.NDArray[np.float64]:
    """Return scores as probabilities, float64 ``(n, c)``.

    Rows that are probabilities already stay as they are; of others the softmax is taken. One score a row tells two
    classes apart: it is the probability or the logit of the second.

    Parameters
    ----------
    scores : torch.Tensor
        ``(n, c)``.

    Raises
    ------
    AuditError
        If a score is not finite.
    """
    values = scores.double()
    if undefined := int((~values.isfinite()).any(dim=1).sum()):
        raise AuditError(
            f"the scores of {undefined:,} of {len(values):,} examples are not finite: check the weights of the network"
        )
    within = bool(((values >= 0) & (values <= 1)).all())
    if values.shape[1] == 1:
        second = values if within else values.sigmoid()
        return torch.cat([1 - second, second], dim=1).numpy()
    if within and bool(((values.sum(dim=1) - 1).abs() <= SUMS_TO_ONE).all()):
        return values.numpy()
    return values.softmax(dim=1).numpy()
