"""Survey of a layer of training codes: the distances between its rows, and which near pairs are copies."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
import numpy.typing as npt

from hashlens.audit.local_ratio import OrdinaryRatios, Ratios, Rows, local_ratio, nearest_others
from hashlens.audit.nearest_view import nearest_view
from hashlens.codes.codes import Codes
from hashlens.errors import AuditError

ALL_LAYERS = "all layers"
"""Name of all layers side by side, which are surveyed as if they were one layer."""
NEAR = 0.01
"""A pair is near if an ordinary row has its ratio or a lower one with at most this probability, by the fitted curve."""
TIED = 0.05
"""Largest share of unrepeated rows with the code of another row, in a layer that may judge pairs of other layers."""
CHECKED = 0.1
"""Share of rows, those with the lowest ratios, whose pairs are checked in other layers."""


@dataclass(frozen=True, eq=False)
class SurveyedLayer:
    """Surveyed rows of training codes with the nearest other rows, in one layer.

    The ratio of a row is its distance to the nearest other row divided by that to the k-th; see
    :func:`~hashlens.audit.local_ratio.local_ratio`. A view is a version of the images, such as the mirrored images.

    Attributes
    ----------
    name : str
        Name of the layer.
    reference : Codes
        Training codes, restricted to the compared bits.
    chosen : numpy.ndarray
        bool: which bits of the layer are compared.
    rows : numpy.ndarray
        int64 ``(n,)``: the surveyed rows, ascending.
    distances : numpy.ndarray
        int32 ``(n, k)``: distances to the k nearest other rows, ascending, in bits.
    neighbours : numpy.ndarray
        int64 ``(n, k)``: these rows.
    unrepeated : numpy.ndarray
        bool ``(n,)``: whether no other training row has the same input; all True if digests are missing or all repeat.
    fitted : OrdinaryRatios or None
        Distribution fitted to the quartiles of the ratios of the unrepeated rows.
    reason : str
        Reason why `fitted` is None; empty otherwise.
    views : tuple of Codes
        Codes of the surveyed rows: of the images as they are, then in each other view.
    view : numpy.ndarray or None
        int64 ``(n,)``: for each row, the index of the view with its lowest ratio; None if no bit varies.
    """

    name: str
    reference: Codes
    chosen: npt.NDArray[np.bool_]
    rows: Rows
    distances: npt.NDArray[np.int32]
    neighbours: Rows
    unrepeated: npt.NDArray[np.bool_]
    fitted: OrdinaryRatios | None
    reason: str = ""
    views: tuple[Codes, ...] = ()
    view: Rows | None = None

    @classmethod
    def survey(
        cls,
        name: str,
        reference: Codes,
        chosen: npt.NDArray[np.bool_],
        rows: Rows,
        unrepeated: npt.NDArray[np.bool_],
        k: int,
        other_views: Sequence[Codes] = (),
    ) -> "SurveyedLayer":
        """Search the rows, as they are and in `other_views`, among all other rows, by the chosen bits."""
        searched = reference.keep(chosen)
        if searched.code_bits == 0:
            nothing = np.zeros((len(rows), k), np.int32), np.zeros((len(rows), k), np.int64)
            return cls(name, searched, chosen, rows, *nothing, unrepeated, None, "no bit varies")
        views = (searched[rows], *(part.keep(chosen) for part in other_views))
        distances, neighbours, view = nearest_view(views, searched, k, rows)
        fitted, reason = None, ""
        try:
            fitted = OrdinaryRatios.fit(local_ratio(distances[unrepeated]))
        except AuditError as error:
            reason = str(error)
        return cls(name, searched, chosen, rows, distances, neighbours, unrepeated, fitted, reason, views, view)

    @property
    def ratios(self) -> Ratios:
        """Local ratio of each surveyed row."""
        return local_ratio(self.distances)

    @property
    def separates(self) -> bool:
        """Whether the layer separates rows well enough to judge whether a pair is near."""
        return self.fitted is not None and float(np.mean(self.distances[self.unrepeated, 0] == 0)) <= TIED

    def near(self, rows: Rows, partners: Rows, view: Rows | None) -> npt.NDArray[np.bool_]:
        """Return whether each row and its partner are nearer, in this layer, than almost all ordinary neighbours.

        Without `view` any rows may be passed; with it, only surveyed rows, each in its view.
        """
        assert self.fitted is not None  # never None if `separates`
        position = np.minimum(np.searchsorted(self.rows, rows), len(self.rows) - 1)
        packed, kth_distances = self.reference.packed[rows], self.distances[position, -1]
        missing = np.flatnonzero(self.rows[position] != rows)
        if len(missing):
            found, _ = nearest_others(self.reference, rows[missing], self.distances.shape[1])
            kth_distances[missing] = found[:, -1]
        elif view is not None:
            for index in np.unique(view):
                packed[view == index] = self.views[index].packed[position[view == index]]
        distances = np.bitwise_count(packed ^ self.reference.packed[partners]).sum(axis=1, dtype=np.int64)
        ratios = np.divide(distances, kth_distances, out=np.zeros(len(rows)), where=kth_distances > 0)
        return self.fitted.probability(np.minimum(ratios, 1.0)) <= NEAR

    def copies(self, others: Sequence["SurveyedLayer"]) -> npt.NDArray[np.bool_] | None:
        """Return whether each surveyed row and its nearest row are copies: near in at least half of the other layers.

        Only rows with low ratios are checked (:data:`CHECKED`); the others count as no copies. A pair that is near by
        chance in one layer is usually not near in another. But a pair that is near in one layer is near in all layers
        side by side too. So a pair of :data:`ALL_LAYERS` must be near in every layer, and in two layers at least.

        Returns
        -------
        numpy.ndarray or None
            bool ``(n,)``; None if no other layer separates rows well enough.
        """
        voting = [other for other in others if other.name not in (self.name, ALL_LAYERS) and other.separates]
        if not voting:
            return None
        low = np.argsort(self.ratios, kind="stable")[: ceil(CHECKED * len(self.rows))]
        rows, partners = self.rows[low], self.neighbours[low, 0]
        view = None if self.view is None else self.view[low]
        votes = np.sum([other.near(rows, partners, view) for other in voting], axis=0)
        copied = np.zeros(len(self.rows), np.bool_)
        copied[low] = votes >= (max(2, len(voting)) if self.name == ALL_LAYERS else ceil(len(voting) / 2))
        return copied
