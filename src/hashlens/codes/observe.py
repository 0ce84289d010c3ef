"""Observe: everything that measuring needs from one pass over the data: codes, predictions, penultimate features."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from hashlens.codes.codes import Codes
from hashlens.codes.encode import CodeRows, HashRows
from hashlens.codes.fingerprint import Fingerprints
from hashlens.codes.layers import BitChoice, choose_bits, sample_positions
from hashlens.codes.reader import Reader, Reading
from hashlens.errors import ModelError


@dataclass(frozen=True, eq=False)
class Observation:
    """One pass of a network over examples.

    Attributes
    ----------
    codes : Codes
        All bits, or a sample of them where all would not fit the memory budget.
    fingerprints : Fingerprints
        Of all bits.
    predictions : numpy.ndarray or None
        int64 ``(n,)``: the class with the largest output; None when the output is not one row of scores an example.
    penultimate : numpy.ndarray or None
        float32 ``(n, d)``: the input of the last affine map; None when it was not asked for, or takes more bytes a row
        than the budget.
    classes : int
        Classes that the output tells apart: its scores, or two where there is one.
    scores : numpy.ndarray or None
        float32 ``(n, classes)``: the output, one row of scores an example; None when it was not asked for, or is
        something else.
    """

    codes: Codes
    fingerprints: Fingerprints
    predictions: npt.NDArray[np.int64] | None
    penultimate: npt.NDArray[np.float32] | None
    classes: int = 0
    scores: npt.NDArray[np.float32] | None = None

    @property
    def unknown_labels(self) -> bool:
        """Whether there are predictions, and labels that the network has no output for."""
        labels = self.codes.labels
        return self.predictions is not None and labels is not None and int(labels.max()) >= self.classes

    @property
    def accuracy(self) -> float | None:
        """Share of examples that the network gets right; None without labels, predictions or an output for a label."""
        if self.predictions is None or self.codes.labels is None or self.unknown_labels:
            return None
        return float(np.mean(self.predictions == self.codes.labels))


def observe(
    model: torch.nn.Module,
    data: Any,
    reading: Reading,
    row_budget: int,
    penultimate: bool = False,
    scores: bool = False,
) -> Observation:
    """Run `model` over `data` once.

    Parameters
    ----------
    model, data
        As in :func:`hashlens.encode`.
    reading : Reading
        How codes are read.
    row_budget : int
        Bytes that a code may take; of wider ones a seeded sample of the bits is kept, the same for all data. Codes of
        padded tokens are always kept whole.
    penultimate : bool
        Whether to keep penultimate features, of at most as many bytes.
    scores : bool
        Whether to keep the network's output.
    """
    rows, ids = CodeRows(), list[npt.NDArray[Any]]()
    prints = HashRows(padded=reading.mask is not None)
    outputs, features = list[torch.Tensor](), list[npt.NDArray[np.float32]]()
    choice: BitChoice | None = None
    with Reader(model, data, replace(reading, penultimate=penultimate)) as reader:
        for batch, captured in reader:
            prints.append(captured)
            ids.append(batch.ids)
            outputs.extend(_scores(captured.output, len(batch)))
            features.extend(_features(captured.penultimate, len(batch), row_budget))
            if choice is None:
                choice = _affordable(reader, row_budget)
            rows.append(batch, captured, choice)
    codes = rows.codes(reader, choice)
    code_bits = sum(layer.bits for layer in reader.capture.layers)
    hashes = np.concatenate(prints.hashes)
    return Observation(
        codes,
        Fingerprints(hashes, code_bits, codes.labels, codes.ids, reader.provenance(), prints.method),
        _predictions(outputs) if len(outputs) == len(ids) else None,
        np.concatenate(features) if len(features) == len(ids) else None,
        max(2, outputs[0].shape[1]) if outputs else 0,
        torch.cat(outputs).float().numpy() if scores and len(outputs) == len(ids) else None,
    )


def _affordable(reader: Reader, row_budget: int) -> BitChoice | None:
    """Return a choice of as many bits as fit the budget, or None when all do."""
    layers = reader.capture.layers
    total = sum(layer.bits for layer in layers)
    if total <= row_budget * 8 or reader.reading.mask is not None:
        return None
    return choose_bits(layers, sample_positions(total, max(64, row_budget * 8), reader.reading.seed))


def _scores(output: Any, size: int) -> list[torch.Tensor]:
    """Return the scores of a batch, ``(size, classes)``, in a list; an empty one when the output is something else."""
    scores = first_tensor(output)
    if scores is None or scores.dim() not in (1, 2) or len(scores) != size or not scores.is_floating_point():
        return []
    return [scores.reshape(size, -1).cpu()]


def _predictions(scores: list[torch.Tensor]) -> npt.NDArray[np.int64]:
    every = torch.cat(scores)
    if undefined := int(every.isnan().any(dim=1).sum()):
        raise ModelError(
            f"the output of the model is NaN for {undefined:,} of {len(every):,} examples; check the weights after its "
            "last activation"
        )
    if every.shape[1] > 1:
        return every.argmax(dim=1).numpy()
    # One score an example tells two classes apart: a probability by one half, a logit by its sign.
    half = 0.5 if bool(((every >= 0) & (every <= 1)).all()) else 0.0
    return (every[:, 0] > half).numpy().astype(np.int64)


def _features(penultimate: torch.Tensor | None, size: int, row_budget: int) -> list[npt.NDArray[np.float32]]:
    if penultimate is None or len(penultimate) != size or 4 * penultimate[0].numel() > row_budget:
        return []
    return [penultimate.detach().flatten(1).float().cpu().numpy().copy()]


def first_tensor(output: Any) -> torch.Tensor | None:
    """Return the scores in what a network returned: the tensor, ``.logits``, or the first tensor of a tuple or dict."""
    if isinstance(output, torch.Tensor):
        return output.detach()
    if hasattr(output, "logits"):
        return first_tensor(output.logits)
    if isinstance(output, dict):
        output = [output["logits"]] if "logits" in output else list(output.values())
    if isinstance(output, (list, tuple)):
        return next((part.detach() for part in output if isinstance(part, torch.Tensor)), None)
    return None
