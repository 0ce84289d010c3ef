"""Training codes of one class, or of all classes, and the distances between them."""

from functools import cached_property

import numpy as np
import numpy.typing as npt

from hashlens.audit.local_ratio import nearest_others
from hashlens.codes.codes import Codes
from hashlens.measures.knn import nearest_codes
from hashlens.seeds import numpy_generator

Scores = npt.NDArray[np.float64]


class KnownCodes:
    """Training codes of one class, or of all classes, by layer, and the typical distance between them."""

    def __init__(self, layers: list[Codes], k: int, limit: int, seed: int) -> None:
        self.layers, self.k, self._limit, self._seed = layers, k, limit, seed

    def score(self, layers: list[Codes]) -> Scores:
        """Return the mean over layers of the distance to the k-th nearest code, divided by the typical distance."""
        distances = [
            nearest_codes(new_layer, group, self.k)[0][:, -1]
            for new_layer, group in zip(layers, self.layers, strict=True)
        ]
        return self._normalise(np.stack(distances))

    def __len__(self) -> int:
        return len(self.layers[0])

    @cached_property
    def ordinary(self) -> Scores:
        """Leave-one-out scores of the training codes, or of a sample of them if they are many."""
        return self._normalise(self._sampled_distances)

    def leave_one_out(self, rows: npt.NDArray[np.int64]) -> Scores:
        """Return the leave-one-out scores of some training codes."""
        return self._normalise(self._distances(rows))

    @cached_property
    def _sampled_distances(self) -> npt.NDArray[np.int32]:
        return self._distances(self.sample_of(np.arange(len(self))))

    def sample_of(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return some of the rows, in order; all of them if they are few."""
        if len(rows) <= self._limit:
            return rows
        generator = numpy_generator(self._seed, "novelty")
        return np.sort(generator.choice(rows, self._limit, replace=False, shuffle=False))

    def _distances(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
        return np.stack([nearest_others(layer, rows, self.k)[0][:, -1] for layer in self.layers])

    def _normalise(self, distances: npt.NDArray[np.int32]) -> Scores:
        # If most codes are equal, the median is 0: then one bit, the smallest distance, is the unit.
        typical = np.maximum(1.0, np.median(self._sampled_distances, axis=1))
        return np.asarray((distances / typical[:, None]).mean(axis=0))
