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
"""Name of the bits of all layers side by side."""
NEAR = 0.01
"""Largest probability, under the curve, of the ratio of a pair that counts as near in another layer."""
TIED = 0.05
"""Largest share of rows with repeated codes in a layer that may judge the pairs of another layer."""
CHECKED = 0.1
"""Share of rows, those with the lowest ratios, whose pairs are checked in other layers."""


@dataclass(frozen=True, eq=False)
class SurveyedLayer:
    """Surveyed rows of training codes with the nearest other rows, in one layer.

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
        bool ``(n,)``: whether no other row has the same input.
    fitted : OrdinaryRatios or None
        Curve through the quartiles of the ratios of the unrepeated rows.
    reason : str
        Reason why `fitted` is None; empty otherwise.
    views : tuple of Codes
        Codes of the surveyed rows, as they are and in the other views.
    view : numpy.ndarray or None
        int64 ``(n,)``: index of the view with the lowest ratio of each row.
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
        packed, last = self.reference.packed[rows], self.distances[position, -1]
        missing = np.flatnonzero(self.rows[position] != rows)
        if len(missing):
            last[missing] = nearest_others(self.reference, rows[missing], self.distances.shape[1])[0][:, -1]
        elif view is not None:
            for v in np.unique(view):
                packed[view == v] = self.views[v].packed[position[view == v]]
        distances = np.bitwise_count(packed ^ self.reference.packed[partners]).sum(axis=1, dtype=np.int64)
        ratios = np.divide(distances, last, out=np.zeros(len(rows)), where=last > 0)
        return self.fitted.probability(np.minimum(ratios, 1.0)) <= NEAR

    def copies(self, others: Sequence["SurveyedLayer"]) -> npt.NDArray[np.bool_] | None:
        """Return whether each surveyed row and its nearest row are copies: near in at least half of the other layers.

        A pair that is near by chance in one layer is usually not near in the next. A pair that is near in one layer is
        near in all layers side by side too. So for all layers side by side every layer must agree, and a single layer
        is not enough.

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
