"""Controls: measures of random hyperplanes, raw inputs and real-valued features, to compare codes with."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Num

from hashlens.codes.codes import Codes
from hashlens.codes.layers import Layer
from hashlens.codes.packing import pack_bits, packed_bytes
from hashlens.codes.provenance import Provenance
from hashlens.errors import MeasureError
from hashlens.measures.features import Features, as_features, full_precision, range_scaled
from hashlens.measures.knn import knn_accuracy_features
from hashlens.measures.logistic import LogisticMethod, accuracy_tolerance, logistic_regression
from hashlens.result import Result, Split
from hashlens.seeds import torch_generator

MAX_HYPERPLANES = 4096


@dataclass(frozen=True)
class Control(Result):
    """Measures of a control; those that do not apply are None.

    Attributes
    ----------
    name : str
        Name: ``untrained``, ``random_hyperplanes``, ``raw_inputs``, ``penultimate``, ...
    available : bool
        Whether the control could be measured for this network and data.
    reason : str
        Why it could not; empty if it could.
    redundancy_ratio : Split of float, or None
        Redundancy ratio of its codes.
    knn, logistic : float or None
        Test accuracy of K-NN and of logistic regression.
    """

    name: str
    available: bool = True
    reason: str = ""
    redundancy_ratio: Split[float] | Split[float | None] | None = None
    knn: float | None = None
    logistic: float | None = None

    def __rich__(self) -> str:
        name = self.name.replace("_", " ")
        if not self.available:
            return f"{name}: not available, {self.reason}"
        parts = []
        if self.redundancy_ratio is not None:
            ratios = (("train", self.redundancy_ratio.train), ("test", self.redundancy_ratio.test))
            parts += [f"R {split} {ratio:.4f}" for split, ratio in ratios if ratio is not None]
        accuracies = (("K-NN", self.knn), ("logistic", self.logistic))
        parts += [f"{kind} {accuracy:.4f}" for kind, accuracy in accuracies if accuracy is not None]
        return f"{name}: {', '.join(parts)}"


@full_precision()
def hyperplane_codes(
    train_features: Num[Features, "n d"],
    test_features: Num[Features, "m d"],
    bits: int,
    *,
    train_labels: npt.ArrayLike | None = None,
    test_labels: npt.ArrayLike | None = None,
    seed: int = 0,
) -> tuple[Codes, Codes]:
    """Encode rows by random hyperplanes (locality-sensitive hashing): a code without any learning.

    A bit is 1 if a Gaussian random projection of the row, centred by the mean of train, is above 0.

    Parameters
    ----------
    train_features, test_features : array
        ``(n, d)`` and ``(m, d)``: rows to encode.
    bits : int
        Number of bits of the code, at most 4,096.
    train_labels, test_labels : array of int, optional
        ``(n,)`` and ``(m,)``: labels for the codes.
    seed : int
        Seed of the hyperplanes.

    Raises
    ------
    MeasureError
        If `bits` is out of range, train is empty, the columns differ, or features hold NaN or infinity.

    References
    ----------
    Charikar (2002): Similarity estimation techniques from rounding algorithms. STOC.
    """
    if not 1 <= bits <= MAX_HYPERPLANES:
        raise MeasureError(f"hyperplane codes take 1 to {MAX_HYPERPLANES:,} bits, received {bits:,}")
    train, test = as_features(train_features), as_features(test_features)
    if len(train) == 0 or train.shape[1] != test.shape[1]:
        raise MeasureError(
            "hyperplane codes need train rows, and test rows of the same columns, "
            f"received {tuple(train.shape)} and {tuple(test.shape)}"
        )
    centre = train.mean(dim=0)
    normals = torch.randn(train.shape[1], bits, generator=torch_generator(seed, "hyperplanes"))
    layer = Layer("hyperplanes", "sign", (bits,), bits=bits)
    provenance = Provenance(model="random hyperplanes", seed=seed)
    return (
        Codes(_hyperplane_bits(train, centre, normals), (layer,), _as_labels(train_labels), provenance=provenance),
        Codes(_hyperplane_bits(test, centre, normals), (layer,), _as_labels(test_labels), provenance=provenance),
    )


def _hyperplane_bits(rows: torch.Tensor, centre: torch.Tensor, normals: torch.Tensor) -> npt.NDArray[np.uint8]:
    """Return packed bits: on which side of each hyperplane through `centre` a row lies."""
    packed = np.zeros((len(rows), packed_bytes(normals.shape[1])), np.uint8)
    step = max(1, (1 << 24) // max(normals.shape))
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        pack_bits((((rows[part] - centre) @ normals) > 0).numpy(), out=packed[part])
    return packed


def _as_labels(labels: npt.ArrayLike | None) -> npt.NDArray[np.int64] | None:
    return None if labels is None else np.asarray(labels, dtype=np.int64)


def feature_categorization(
    train_features: Num[Features, "n d"],
    train_labels: npt.ArrayLike,
    test_features: Num[Features, "m d"],
    test_labels: npt.ArrayLike,
    k: int = 9,
    logistic: LogisticMethod = "multinomial",
) -> tuple[float, float]:
    """Return test accuracies of Euclidean K-NN and logistic regression on real-valued features.

    Each column is scaled by its range on train to [0, 1], the range of codes; constant columns are dropped.

    Parameters
    ----------
    train_features, test_features : array
        ``(n, d)`` and ``(m, d)``: raw inputs, or the features before a network's last affine map.
    train_labels, test_labels : array of int
        ``(n,)`` and ``(m,)``: labels.
    k : int
        Number of neighbours.
    logistic : {"multinomial", "one-vs-one"}
        Kind of logistic regression for more than two classes.

    Returns
    -------
    knn, logistic : float
        Test accuracies.

    Raises
    ------
    MeasureError
        If a column or a label is missing, all columns are constant on train, features hold NaN or infinity, train has
        one class only, or k is not between 1 and n.
    """
    train, test = range_scaled(train_features, test_features)
    knn = knn_accuracy_features(train, train_labels, test, test_labels, k=k)
    model = logistic_regression(train, train_labels, logistic, tolerance=accuracy_tolerance(len(train)))
    return knn, model.accuracy(test, test_labels)
