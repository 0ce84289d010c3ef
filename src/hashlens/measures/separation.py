"""Separation: how far apart, in bits, the codes of one class and of different classes lie."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from rich.console import RenderableType

from hashlens.codes.codes import Codes
from hashlens.codes.packing import hamming
from hashlens.errors import MeasureError
from hashlens.measures.classes import Classes, labelled_codes
from hashlens.result import Result
from hashlens.seeds import numpy_generator
from hashlens.tables import number, table


@dataclass(frozen=True)
class LayerSeparation(Result):
    """Mean Hamming distances of some bits.

    Attributes
    ----------
    name : str
        The layer, or ``all``.
    bits : int
        Its bits.
    within, between : float
        Mean share of the bits in which two examples of one class, and of different classes, differ; over all pairs.
    """

    name: str
    bits: int
    within: float
    between: float


@dataclass(frozen=True, eq=False)
class Separation(Result):
    """Hamming distances within and between classes.

    Attributes
    ----------
    overall : LayerSeparation
        Of whole codes.
    layers : tuple of LayerSeparation
        Of each layer.
    edges : numpy.ndarray
        float64 ``(bins + 1,)``: edges of the histograms, as shares of the bits, halfway between possible distances.
    within_histogram, between_histogram : numpy.ndarray
        float64 ``(bins,)``: share of the sampled pairs in each bin.
    separability : float
        Probability that a pair of different classes is farther apart than a pair of one class, ties counting half:
        .5 when distance says nothing, 1 when it says all. Estimated from the same sample.
    pairs : int
        Pairs sampled of each kind, for the histograms and the separability only.
    """

    overall: LayerSeparation
    layers: tuple[LayerSeparation, ...]
    edges: npt.NDArray[np.float64]
    within_histogram: npt.NDArray[np.float64]
    between_histogram: npt.NDArray[np.float64]
    separability: float
    pairs: int

    def __rich__(self) -> RenderableType:
        rows = [
            (layer.name, number(layer.bits), number(layer.within), number(layer.between))
            for layer in (*self.layers, self.overall)
        ]
        note = f"Separability {self.separability:.3f}, from {self.pairs:,} pairs of each kind."
        return table("Mean Hamming distance / bits", ("layer", "bits", "within classes", "between classes"), rows, note)


def separation(
    codes: Codes, labels: npt.ArrayLike | None = None, bins: int = 50, pairs: int = 100_000, seed: int = 0
) -> Separation:
    """Measure Hamming distances within and between classes, layer by layer.

    Rows without a label are left out.

    The means are exact, over all pairs, from the number of ones of each bit in each class: time is O(n bits).

    Parameters
    ----------
    codes : Codes
        n rows.
    labels : array of int, optional
        ``(n,)``; those of the codes by default.
    bins : int
        Bins of the histograms at most, over the distances that occur; each holds equally many possible distances.
    pairs : int
        Pairs of each kind to sample for the histograms.
    seed : int
        Seed of the sample.

    Raises
    ------
    MeasureError
        If labels are missing, there is only one class, no class has two examples, or there are no bits.
    """
    codes, class_numbers, _ = labelled_codes(codes, labels, "separation")
    classes = Classes.of(class_numbers, "separation")
    if classes.counts.max() < 2:
        raise MeasureError("separation needs a class of two examples or more, and every class has one")
    if codes.code_bits == 0 or bins < 1 or pairs < 1:
        raise MeasureError(
            f"separation needs at least one bit, bin and pair, received {codes.code_bits}, {bins} and {pairs}"
        )
    within_bits, between_bits = disagreements(codes, classes)
    parts = np.cumsum([0, *(layer.bits for layer in codes.layers)])
    layers = tuple(
        LayerSeparation(layer.name, layer.bits, float(within_bits[a:b].mean()), float(between_bits[a:b].mean()))
        for layer, a, b in zip(codes.layers, parts[:-1], parts[1:], strict=True)
        if layer.bits
    )
    overall = LayerSeparation("all", codes.code_bits, float(within_bits.mean()), float(between_bits.mean()))
    near, far = sampled_distances(codes, classes, pairs, numpy_generator(seed, "separation"))
    edges = _edges(min(near.min(), far.min()), max(near.max(), far.max()), bins)
    return Separation(
        overall=overall,
        layers=layers,
        edges=edges / codes.code_bits,
        within_histogram=np.histogram(near, edges)[0] / pairs,
        between_histogram=np.histogram(far, edges)[0] / pairs,
        separability=_separability(near, far),
        pairs=pairs,
    )


def disagreements(codes: Codes, classes: Classes) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return, for each bit, the share of pairs within and between classes that differ in it: float64 ``(bits,)`` twice.

    With s ones among c examples, s (c - s) pairs differ.
    """
    ones = torch.zeros(len(classes), codes.code_bits, dtype=torch.float64)
    of_rows = torch.from_numpy(classes.of_rows)
    for rows in codes.chunks(bytes_per_bit=4):
        members = torch.nn.functional.one_hot(of_rows[rows], len(classes)).T.float()
        ones += members @ torch.from_numpy(codes.unpack(rows)).float()
    counts = classes.counts.astype(np.float64)[:, None]
    per_class = ones.numpy()
    within = (per_class * (counts - per_class)).sum(axis=0)
    total, all_ones = float(len(codes)), per_class.sum(axis=0)
    between = all_ones * (total - all_ones) - within
    within_pairs = float((counts * (counts - 1)).sum()) / 2
    return within / within_pairs, between / (total * (total - 1) / 2 - within_pairs)


def sampled_distances(
    codes: Codes, classes: Classes, pairs: int, generator: np.random.Generator
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return Hamming distances of random pairs within and between classes, int64 ``(pairs,)`` each.

    Pairs are drawn with replacement, every pair of its kind with the same probability.
    """
    counts, starts, total = classes.counts, classes.starts[:-1], len(codes)

    def draw(weights: npt.NDArray[Any]) -> tuple[npt.NDArray[np.int64], ...]:
        drawn = generator.choice(len(classes), pairs, p=weights / weights.sum())
        first = generator.integers(counts[drawn])
        return drawn, starts[drawn] + first, first

    drawn, first, offset = draw(counts * (counts - 1.0))
    second = generator.integers(counts[drawn] - 1)
    second += second >= offset
    within = _distances(codes, classes.order[first], classes.order[starts[drawn] + second])
    drawn, first, _ = draw(counts * (total - counts) * 1.0)
    second = generator.integers(total - counts[drawn])
    second += np.where(second >= starts[drawn], counts[drawn], 0)
    return within, _distances(codes, classes.order[first], classes.order[second])


def _distances(codes: Codes, a: npt.NDArray[np.int64], b: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    step = max(1, (1 << 24) // max(1, codes.packed.shape[1]))
    parts = [hamming(codes.packed[a[i : i + step]], codes.packed[b[i : i + step]]) for i in range(0, len(a), step)]
    return np.concatenate(parts)


def _edges(lowest: int, highest: int, bins: int) -> npt.NDArray[np.float64]:
    """Return edges of bins that hold equally many whole distances each, from the least to the most that occur."""
    step = -(-(highest - lowest + 1) // bins)
    return np.arange(lowest, highest + step + 1, step, dtype=np.float64) - 0.5


def _separability(within: npt.NDArray[np.int64], between: npt.NDArray[np.int64]) -> float:
    ordered = np.sort(within)
    ranks = np.searchsorted(ordered, between, side="left") + np.searchsorted(ordered, between, side="right")
    return float(ranks.mean() / (2 * len(within)))
