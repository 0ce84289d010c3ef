"""Tables with labels and explanations: those that are right, and those that a model is taught."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hashlens.ted.missing import MissingKind, left_out
from hashlens.ted.noise import NoiseKind, noisy

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class TaughtTable:
    """Rows with a label and an explanation each.

    Attributes
    ----------
    columns : tuple of str
        Names of the d columns.
    rows : numpy.ndarray
        float32 ``(n, d)``.
    labels : numpy.ndarray
        int64 ``(n,)``: 0 and 1.
    explanations : numpy.ndarray
        int64 ``(n,)``: the right explanation, a place in `reasons`.
    reasons : tuple of str
        Every explanation in words.
    E : numpy.ndarray
        object ``(n,)``: the explanations that a model is taught, ints; None where one is missing. All right, and all
        there, unless noise or missing ones were asked for.
    dropped : int
        Rows of the source that are not here, since they lack what the rules need.
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
        """Return some of the rows: a slice, or an array of places."""
        return replace(
            self, rows=self.rows[rows], labels=self.labels[rows], explanations=self.explanations[rows], E=self.E[rows]
        )

    def spoilt(
        self,
        seed: int = 0,
        *,
        noise: float = 0.0,
        noise_kind: NoiseKind = "within label",
        annotators: int = 5,
        missing: float = 0.0,
        missing_kind: MissingKind = "random",
    ) -> "TaughtTable":
        """Return the table with explanations to be taught of which some are wrong, and then some left out.

        Parameters
        ----------
        seed : int
            What is drawn depends on it.
        noise : float
            The share of rows whose explanation is changed, from 0 to 1.
        noise_kind : {"within label", "across labels", "by annotator"}
            To which: see :func:`hashlens.ted.noisy`.
        annotators : int
            How many people explained the rows, where noise is theirs.
        missing : float
            The share of rows without an explanation, from 0 to 1.
        missing_kind : {"random", "by class", "by rule"}
            Which: see :func:`hashlens.ted.left_out`.

        Raises
        ------
        TEDError
            If an argument is not what it must be.
        """
        given = noisy(self.explanations, self.labels, noise, noise_kind, seed, annotators=annotators)
        lost = left_out(self.explanations, self.labels, missing, missing_kind, seed)
        E = given.astype(object)
        E[lost] = None
        return replace(self, E=E)
