"""Which layer tells near-duplicates from ordinary neighbours best, found without labels."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf, sqrt
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hashlens.arguments import is_number, require_whole, shortly
from hashlens.audit.local_ratio import OrdinaryRatios, Ratios, Rows, local_ratio, nearest_others
from hashlens.audit.nearest_view import nearest_view
from hashlens.codes.codes import Codes
from hashlens.codes.layers import sample_positions
from hashlens.errors import AuditError, nearest
from hashlens.progress import track
from hashlens.result import Result
from hashlens.seeds import numpy_generator
from hashlens.tables import Table, number, table

if TYPE_CHECKING:
    from hashlens.audit.views import Views

ORDINARY_ROWS = 5000
"""Training rows whose ratios say what is ordinary; quartiles need no more."""


@dataclass(frozen=True)
class LayerScore(Result):
    """How far the suspicious rows of a layer stand out from its ordinary ones.

    Attributes
    ----------
    name : str
        The layer.
    bits : int
        Bits searched: its informative ones, or a sample of them.
    suspected : int
        Rows with a ratio at or below the threshold; the score.
    threshold : float
        The ratio below which a stated number of ordinary rows is expected. NaN where the layer cannot be used.
    ordinary : OrdinaryRatios or None
        The distribution of the ratio among ordinary rows.
    reason : str
        Why the layer cannot be used; empty where it can.
    """

    name: str
    bits: int
    suspected: int = 0
    threshold: float = float("nan")
    ordinary: OrdinaryRatios | None = None
    reason: str = ""


@dataclass(frozen=True, eq=False)
class LayerSearch:
    """Queries searched in one layer of known codes.

    Attributes
    ----------
    score : LayerScore
        What was found, in numbers.
    known : Codes
        The bits searched.
    distances : numpy.ndarray
        int32 ``(m, k)``, ascending, in bits.
    neighbours : numpy.ndarray
        int64 ``(m, k)``, rows of `known`.
    """

    score: LayerScore
    known: Codes
    distances: npt.NDArray[np.int32]
    neighbours: Rows
    view: Rows | None = None

    @property
    def ratios(self) -> Ratios:
        """The local ratio of each query."""
        return local_ratio(self.distances)


@dataclass(frozen=True)
class Search:
    """How near-duplicates are searched.

    Attributes
    ----------
    k : int
        The neighbour whose distance the nearest one's is compared with, at least 3.
    layer : str or None
        The layer; None for the one in which suspicious rows stand out most.
    bits : int
        Most bits of a row to search.
    expected_false : float
        Ordinary rows to expect below the threshold.
    seed : int
        Seed of the samples.
    views : Views or None
        Other codes in other views, and of the rows that say what is ordinary; of each row the nearest view is taken.
    """

    k: int
    layer: str | None
    bits: int
    expected_false: float
    seed: int
    views: "Views | None" = None

    def check(self, known: Codes) -> None:
        """Raise AuditError if an argument is wrong, or does not fit the codes to be searched."""
        require_whole(AuditError, "k", self.k, least=3)
        require_whole(AuditError, "bits", self.bits)
        require_whole(AuditError, "seed", self.seed, least=0)
        if self.k + 1 > len(known):
            raise AuditError(
                f"k={self.k} neighbours of a row need at least {self.k + 1} rows to search, received {len(known):,}: "
                "lower k or give more rows"
            )
        if not is_number(self.expected_false) or not 0 < self.expected_false < inf:
            raise AuditError(f"expected_false must be more than 0 rows, received {shortly(self.expected_false)}")
        names = [layer.name for layer in known.layers]
        if self.layer is not None and self.layer not in names:
            raise AuditError(f"no layer {self.layer!r} in these codes: {nearest(self.layer, names)}")

    def layers(self, known: Codes, queries: Codes | Rows) -> Iterator[LayerSearch]:
        """Yield the search of `queries` in each layer: other codes, or rows of `known` itself."""
        names = [layer.name for layer in known.layers] if self.layer is None else [self.layer]
        for name in track(names, "searching layers", len(names)):
            yield self._in_layer(name, known.layer(name), queries)

    def _in_layer(self, name: str, known: Codes, queries: Codes | Rows) -> LayerSearch:
        # A bit that is constant in train tells no training rows apart, and would only take the place of one that does.
        chosen = ~known.constant_bits()
        informative = np.flatnonzero(chosen)
        chosen[:] = False
        chosen[informative[sample_positions(len(informative), self.bits, self.seed)]] = True
        known = known.keep(chosen)
        if known.code_bits == 0:
            return _unusable(LayerScore(name, 0, reason="no bit varies"), known)
        ordinary_rows = sample_rows(len(known), ORDINARY_ROWS, self.seed)
        if isinstance(queries, Codes):
            asked, seen = [queries.layer(name).keep(chosen)], [known[ordinary_rows]]
            if self.views is not None:
                others, ordinary_rows = self.views.layer(name), self.views.rows
                asked += [part.keep(chosen) for part in others.test]
                seen = [known[ordinary_rows], *(part.keep(chosen) for part in others.train)]
            distances, neighbours, view = nearest_view(asked, known, self.k)
            usual = local_ratio(nearest_view(seen, known, self.k, ordinary_rows)[0])
        else:
            (distances, neighbours), view = nearest_others(known, queries, self.k), None
            usual = local_ratio(distances)
        try:
            ordinary = OrdinaryRatios.fit(usual)
        except AuditError as error:
            return _unusable(LayerScore(name, known.code_bits, reason=str(error)), known)
        threshold = ordinary.ratio(self.expected_false / len(distances))
        suspected = int(np.count_nonzero(local_ratio(distances) <= threshold))
        score = LayerScore(name, known.code_bits, suspected, threshold, ordinary)
        return LayerSearch(score, known, distances, neighbours, view)

    def best(self, known: Codes, queries: Codes | Rows) -> tuple[LayerSearch, tuple[LayerScore, ...]]:
        """Return the search in the layer chosen, and the scores of all.

        Of the layers whose suspected rows are as many as the most, up to one standard error of that count, the last:
        it forgives a crop, a shift or another brightness more than those before, and no fewer rows stand out in it.

        Raises
        ------
        AuditError
            If no layer can be used.
        """
        scores: list[LayerScore] = []
        held: list[LayerSearch] = []
        for found in self.layers(known, queries):
            scores.append(found.score)
            if not found.score.reason:
                # A layer that is out now stays out: the most only grows.
                held = [at for at in (*held, found) if at.score.suspected >= _enough((*held, found))]
        if not held:
            which = f"layer {self.layer!r} cannot" if self.layer is not None else "none of the layers can"
            reasons = "; ".join(f"{at.name}: {at.reason}" for at in scores)
            raise AuditError(
                f"{which} tell ordinary rows apart ({reasons}): encode more bits or wider layers, or remove the "
                "duplicates within train first"
            )
        return held[-1], tuple(scores)


def sample_rows(rows: int, most: int, seed: int) -> Rows:
    """Return a sample of row numbers, ascending; all where there are no more than `most`."""
    if rows <= most:
        return np.arange(rows)
    return np.sort(numpy_generator(seed, "rows").choice(rows, most, replace=False, shuffle=False))


def scores_table(scores: tuple[LayerScore, ...], chosen: str) -> Table:
    """Return the scores of all layers for people to read."""
    rows = [
        (
            at.name + (" (chosen)" if at.name == chosen else ""),
            number(at.bits),
            at.reason or number(at.suspected),
            "–" if at.ordinary is None else number(at.threshold, 3),
            "–" if at.ordinary is None else number(at.ordinary.dimension, 1),
        )
        for at in scores
    ]
    note = (
        "Chosen: of the layers with the most suspected rows, up to one standard error of that number, the last."
        if len(scores) > 1
        else ""
    )
    return table("Layers", ("layer", "bits", "suspected", "threshold", "dimension"), rows, note)


def _enough(searches: tuple[LayerSearch, ...]) -> float:
    most = max(at.score.suspected for at in searches)
    return most - sqrt(most)


def _unusable(score: LayerScore, known: Codes) -> LayerSearch:
    return LayerSearch(score, known, np.zeros((0, 1), np.int32), np.zeros((0, 1), np.int64))
