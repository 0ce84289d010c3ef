"""Tables with labels, right explanations, and training explanations."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hashlens.ted.missing import MissingKind, draw_missing
from hashlens.ted.noise import NoiseKind, add_noise

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class TaughtTable:
    """Rows with a label and an explanation each.

    Attributes
    ----------
    columns : tuple of str
        Names of the d columns.
    rows : numpy.ndarray
        float32 ``(n, d)``: values.
    labels : numpy.ndarray
        int64 ``(n,)``: labels, 0 and 1.
    explanations : numpy.ndarray
        int64 ``(n,)``: right explanation of each row, an index into `reasons`.
    reasons : tuple of str
        All explanations in words.
    E : numpy.ndarray
        object ``(n,)``: training explanations, ints; None for a missing one. They equal `explanations`, unless noise or
        missing explanations were requested.
    dropped : int
        Number of rows of the source that were dropped for missing values.
    """

    columns: tuple[str, ...]
    rows: npt.NDArray[np.float32]
    labels: Numbers
    explanations: Numbers
    reasons: tuple[str, ...]
    E: Any = None
    dropped: int = 0

    def __post_init__(self) -> None:
        if self.E is None:
            object.__setattr__(self, "E", self.explanations.astype(object))

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: Any) -> "TaughtTable":
        """Return some of the rows, by a slice or an array of row numbers."""
        return replace(
            self, rows=self.rows[rows], labels=self.labels[rows], explanations=self.explanations[rows], E=self.E[rows]
        )

    def corrupt_explanations(
        self,
        seed: int = 0,
        *,
        noise: float = 0.0,
        noise_kind: NoiseKind = "within label",
        annotators: int = 5,
        missing: float = 0.0,
        missing_kind: MissingKind = "random",
    ) -> "TaughtTable":
        """Return the table with training explanations some of which are wrong, and some missing.

        Parameters
        ----------
        seed : int
            Seed of the random choices.
        noise : float
            Share of rows whose explanation is changed, from 0 to 1.
        noise_kind : {"within label", "across labels", "by annotator"}
            Kind of noise, as in :func:`hashlens.ted.add_noise`.
        annotators : int
            Number of annotators, for noise by annotator.
        missing : float
            Share of rows without an explanation, from 0 to 1.
        missing_kind : {"random", "by class", "by rule"}
            Kind of missing explanations, as in :func:`hashlens.ted.draw_missing`.

        Raises
        ------
        TEDError
            If an argument is invalid.
        """
        noisy_explanations = add_noise(self.explanations, self.labels, noise, noise_kind, seed, annotators=annotators)
        is_lost = draw_missing(self.explanations, self.labels, missing, missing_kind, seed)
        E = noisy_explanations.astype(object)
        E[is_lost] = None
        return replace(self, E=E)
