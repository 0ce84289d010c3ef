"""A layer of known codes, surveyed: how near its rows lie to one another, and which of the pairs are copies."""

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
"""What the bits of all layers side by side are called."""
NEAR = 0.01
"""A pair is near in another layer where so small a share of ordinary rows, or a smaller one, has its ratio."""
TIED = 0.05
"""A layer in which more rows share their code with another says nothing about a pair of another layer."""
CHECKED = 0.1
"""The share of rows, those of the lowest ratios, whose pairs are looked up in other layers."""


@dataclass(frozen=True, eq=False)
class SurveyedLayer:
    """Rows of known codes with the other rows nearest to them, in one layer.

    Attributes
    ----------
    name : str
        The layer.
    reference : Codes
        The bits searched.
    chosen : numpy.ndarray
        bool: which bits of the layer they are.
    rows : numpy.ndarray
        int64 ``(n,)``: the rows asked, ascending.
    distances : numpy.ndarray
        int32 ``(n, k)``, ascending, in bits.
    neighbours : numpy.ndarray
        int64 ``(n, k)``.
    unrepeated : numpy.ndarray
        bool ``(n,)``: whether no other row has the same input.
    fitted : OrdinaryRatios or None
        The curve through the quartiles of the ratios of these.
    reason : str
        Why there is no curve.
    views : tuple of Codes
        The rows asked, as they are and in the other views.
    view : numpy.ndarray or None
        int64 ``(n,)``: of each row the place of the view that came nearest.
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
        """Search the rows, and other views of them that were `other_views`, among all others, in the bits chosen."""
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
        """The local ratio of each row asked."""
        return local_ratio(self.distances)

    @property
    def votes(self) -> bool:
        """Whether the layer tells rows apart well enough to say of a pair that it is near or not."""
        return self.fitted is not None and float(np.mean(self.distances[self.unrepeated, 0] == 0)) <= TIED

    def near(self, rows: Rows, partners: Rows, view: Rows | None) -> npt.NDArray[np.bool_]:
        """Return of each row and its partner whether they are as near, in this layer, as few ordinary neighbours are.

        The rows are any where `view` is None, and otherwise rows that were asked, seen in that view.
        """
        assert self.fitted is not None  # of a layer that votes
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
        """Return of each row asked whether it and its nearest are copies: near in at least half of the other layers.

        A pair that is near by chance is near in one layer, and an ordinary pair in the next. All layers side by side
        are near where one of them is, so there each layer must say so, and a single one says nothing.

        Returns
        -------
        numpy.ndarray or None
            bool ``(n,)``; None where no other layer tells rows apart.
        """
        voting = [other for other in others if other.name not in (self.name, ALL_LAYERS) and other.votes]
        if not voting:
            return None
        low = np.argsort(self.ratios, kind="stable")[: ceil(CHECKED * len(self.rows))]
        rows, partners = self.rows[low], self.neighbours[low, 0]
        view = None if self.view is None else self.view[low]
        votes = np.sum([other.near(rows, partners, view) for other in voting], axis=0)
        copied = np.zeros(len(self.rows), np.bool_)
        copied[low] = votes >= (max(2, len(voting)) if self.name == ALL_LAYERS else ceil(len(voting) / 2))
        return copied
