"""Separation: Hamming distances between codes of the same class and of different classes."""

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
from hashlens.measures.features import full_precision
from hashlens.result import Result
from hashlens.seeds import numpy_generator
from hashlens.tables import number, table


@dataclass(frozen=True)
class LayerSeparation(Result):
    """Mean Hamming distances over the bits of one layer.

    Attributes
    ----------
    name : str
        Name of the layer, or ``all``.
    bits : int
        Number of its bits.
    within, between : float
        Mean share of the bits in which two examples of the same class, and of different classes, differ; over all
        pairs.
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
        Distances of whole codes.
    layers : tuple of LayerSeparation
        Distances of each layer.
    edges : numpy.ndarray
        float64 ``(bins + 1,)``: edges of the histograms, as shares of the bits, halfway between possible distances.
    within_histogram, between_histogram : numpy.ndarray
        float64 ``(bins,)``: share of the sampled pairs in each bin.
    separability : float
        Probability that a pair of different classes is farther apart than a pair of the same class, ties counting half
        (area under the ROC curve): 0.5 if distances carry no information, 1 for perfect separation. Estimated from the
        sampled pairs.
    pairs : int
        Number of sampled pairs of each kind, for the histograms and the separability only.
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
    """Measure Hamming distances within and between classes, for the whole code and for each layer.

    Rows without a label are left out. The means are exact over all pairs; they are computed in time O(n bits), from the
    number of ones of each bit in each class.

    Parameters
    ----------
    codes : Codes
        n rows.
    labels : array of int, optional
        ``(n,)``: labels; those of the codes by default.
    bins : int
        Largest number of bins of the histograms, over the distances that occur; each bin has the same number of
        possible distances.
    pairs : int
        Number of pairs of each kind to sample for the histograms.
    seed : int
        Seed of the sample.

    Raises
    ------
    MeasureError
        If labels are missing, there is only one class, no class has two examples, there are no bits, or `bins` or
        `pairs` is less than 1.
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
    within, between = sampled_distances(codes, classes, pairs, numpy_generator(seed, "separation"))
    edges = _edges(min(within.min(), between.min()), max(within.max(), between.max()), bins)
    return Separation(
        overall=overall,
        layers=layers,
        edges=edges / codes.code_bits,
        within_histogram=np.histogram(within, edges)[0] / pairs,
        between_histogram=np.histogram(between, edges)[0] / pairs,
        separability=_separability(within, between),
        pairs=pairs,
    )


@full_precision()
def disagreements(codes: Codes, classes: Classes) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the share of pairs within classes, and between classes, that differ in each bit: float64 ``(bits,)`` each.

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
    """Return edges of bins with the same number of possible distances each, from the lowest to the highest."""
    step = -(-(highest - lowest + 1) // bins)
    return np.arange(lowest, highest + step + 1, step, dtype=np.float64) - 0.5


def _separability(within: npt.NDArray[np.int64], between: npt.NDArray[np.int64]) -> float:
    ordered = np.sort(within)
    ranks = np.searchsorted(ordered, between, side="left") + np.searchsorted(ordered, between, side="right")
    return float(ranks.mean() / (2 * len(within)))
