"""Which layer tells near-duplicates from ordinary neighbours best, found without labels."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, inf, nan, sqrt
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hashlens.arguments import is_number, require_whole, shortly
from hashlens.audit.local_ratio import OrdinaryRatios, Ratios, Rows, local_ratio, pair_ratios
from hashlens.audit.measured_null import UNCHECKED, Interval, MeasuredNull
from hashlens.audit.nearest_view import nearest_view
from hashlens.audit.splits import input_keys
from hashlens.audit.surveyed_layer import ALL_LAYERS, SurveyedLayer
from hashlens.codes.codes import Codes
from hashlens.codes.layers import sample_positions
from hashlens.errors import AuditError, nearest
from hashlens.progress import track
from hashlens.result import Result, Split
from hashlens.seeds import numpy_generator
from hashlens.tables import Table, number, rough, table

if TYPE_CHECKING:
    from hashlens.audit.views import Views

ORDINARY_ROWS = 5000
"""Training rows, at least, whose ratios say what is ordinary; more where the promise is of something rarer."""
FEWEST_BITS = 8
"""Bits between neighbours, at the lower quartile, from which a curve may stand for the null unchecked."""


@dataclass(frozen=True)
class LayerScore(Result):
    """How far the suspicious rows of a layer stand out from its ordinary ones.

    Attributes
    ----------
    name : str
        The layer, or "all layers": their bits side by side.
    bits : int
        Bits searched: its informative ones, or a sample of them.
    suspected : int
        Rows with a ratio at or below the threshold, besides those whose input is that of another, which need no code to
        be found; the score is how many more they are than expected.
    threshold : float
        The largest ratio that occurs and keeps the promise. NaN where the layer cannot be used.
    ordinary : OrdinaryRatios or None
        The curve through the quartiles of the ratio among ordinary rows.
    reason : str
        Why the layer cannot be used; empty where it can.
    expected : float
        Rows expected at or below the threshold by chance. NaN where the layer cannot be used.
    interval : tuple of float
        Its 95 % interval.
    copies : int
        Ordinary rows at or below the threshold that were left out of the null, as copies of one another.
    """

    name: str
    bits: int
    suspected: int = 0
    threshold: float = nan
    ordinary: OrdinaryRatios | None = None
    reason: str = ""
    expected: float = nan
    interval: Interval = (nan, nan)
    copies: int = 0

    @property
    def chance(self) -> str:
        """How many are expected by chance, with the interval, in words."""
        low, high = self.interval
        return f"about {rough(self.expected)} expected by chance ({low:.1f} to {high:.1f})"


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
    null : MeasuredNull
        How many ordinary rows have so low a ratio.
    view : numpy.ndarray or None
        int64 ``(m,)``: of each query the place of the view that came nearest; None for rows of `known`.
    """

    score: LayerScore
    known: Codes
    distances: npt.NDArray[np.int32]
    neighbours: Rows
    null: MeasuredNull
    view: Rows | None = None

    @property
    def ratios(self) -> Ratios:
        """The local ratio of each query."""
        return local_ratio(self.distances)

    @property
    def expected(self) -> Ratios:
        """How many of the queries would have such a ratio or a lower one by chance, of each query."""
        return np.asarray(len(self.distances) * self.null.probability(self.ratios))


@dataclass(frozen=True)
class Search:
    """How near-duplicates are searched.

    Attributes
    ----------
    k : int
        The neighbour whose distance the nearest one's is compared with, at least 3.
    layer : str or None
        The layer, or "all layers"; None for the one in which suspicious rows stand out most.
    bits : int
        Most bits of a row to search.
    expected_false : float
        Ordinary rows to expect at or below the threshold.
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

    def check(self, known: Codes, queries: int, what: str) -> None:
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
        if self.expected_false >= queries:
            raise AuditError(
                f"expected_false must be less than the {queries:,} {what}, received {self.expected_false:g}: "
                "it is how many of them may be suspected by chance"
            )
        names = [name for name, _ in _parts(known)]
        if self.layer is not None and self.layer not in names:
            raise AuditError(f"no layer {self.layer!r} in these codes: {nearest(self.layer, names)}")

    def among(self, rows: Rows) -> "Search":
        """Return the search among some of the known rows, ascending."""
        return self if self.views is None else replace(self, views=self.views.among(rows))

    def best(self, known: Codes, queries: Codes | Rows) -> tuple[LayerSearch, tuple[LayerScore, ...]]:
        """Return the search of `queries`, other codes or rows of `known`, in the layer chosen; and all scores.

        The layer is one in which as many rows are suspected **above** what is expected as in the best, up to two
        standard errors of that count and what the interval leaves open of the expected number. Of those it is the last
        in which the promise is used up to half at least: it forgives a crop, a shift or another brightness more than
        those before. Where no layer can be used, the last that has bits is returned, with a threshold of NaN, and each
        score says why.
        """
        if not isinstance(queries, Codes):
            asked = queries
        elif self.views is not None:
            asked = self.views.rows
        else:
            asked = sample_rows(len(known), enough_rows(len(known), len(queries) / self.expected_false), self.seed)
        parts, single = _parts(known), _single(known, queries)
        fresh = _fresh(known, queries, single)
        layers = [
            self._survey(name, part, asked, single) for name, part in track(parts, "searching layers", len(parts))
        ]
        found = [self._in_layer(at, layers, queries, fresh) for at in layers if self.layer in (None, at.name)]
        return _chosen(found, self.expected_false), tuple(at.score for at in found)

    def in_layer(self, name: str, known: Codes, queries: Codes | Rows, few: Rows) -> LayerSearch:
        """Return the search of `queries` in one layer, and pairs checked in the others by a survey of `few` rows."""
        rows = {name: queries} if not isinstance(queries, Codes) else {}
        single = _single(known, queries)
        layers = [self._survey(at, part, rows.get(at, few), single) for at, part in _parts(known)]
        fresh = _fresh(known, queries, single)
        return next(self._in_layer(at, layers, queries, fresh) for at in layers if at.name == name)

    def _survey(self, name: str, known: Codes, rows: Rows, single: npt.NDArray[np.bool_]) -> SurveyedLayer:
        # A bit that is constant in train tells no training rows apart, and would only take the place of one that does.
        chosen = ~known.constant_bits()
        informative = np.flatnonzero(chosen)
        chosen[:] = False
        chosen[informative[sample_positions(len(informative), self.bits, self.seed)]] = True
        seen = () if self.views is None else self.views.layer(name).train
        return SurveyedLayer.survey(name, known, chosen, rows, single[rows], self.k, seen)

    def _in_layer(
        self, at: SurveyedLayer, layers: Sequence[SurveyedLayer], queries: Codes | Rows, fresh: npt.NDArray[np.bool_]
    ) -> LayerSearch:
        if at.known.code_bits == 0:
            return _unusable(at, len(queries), self.k)
        reason, copies = at.reason, at.copies(layers)
        if isinstance(queries, Codes):
            asked = [queries if at.name == ALL_LAYERS else queries.layer(at.name)]
            asked += [] if self.views is None else self.views.layer(at.name).test
            distances, neighbours, view = nearest_view([part.keep(at.chosen) for part in asked], at.known, self.k)
        else:
            distances, neighbours, view = at.distances, at.neighbours, None
        alone = False
        if copies is None and (len(layers) == 1 or not isinstance(queries, Codes)):
            # No other layer says which rows are copies: any of them may be, and the curve is all there is. Where there
            # are others, which tell too few rows apart, other codes are compared with all that was measured.
            apart = float(np.quantile(at.distances[:, 0], 0.25))
            if alone := apart >= FEWEST_BITS:
                copies = np.ones(len(at.rows), np.bool_)
            elif not reason and not isinstance(queries, Codes):
                bits = "1 bit" if apart == 1 else f"{apart:g} bits"
                reason = f"neighbours differ in {bits}, and no other layer can tell chance from copies"
        # Rows with the same input as another are found by that, and say nothing of how near others come by chance.
        null = MeasuredNull.measure(
            at.ratios[at.single],
            None if copies is None else copies[at.single],
            at.fitted,
            (at.rows[at.single], at.neighbours[at.single, 0]),
            UNCHECKED if alone else 1.0,
            int(isinstance(queries, Codes)),
        )
        ratios, every = local_ratio(distances), pair_ratios(distances)
        reason = reason or _cannot_promise(null, len(ratios), self.expected_false)
        threshold = nan if reason else null.threshold(self.expected_false, len(ratios), every)
        if not reason and isinstance(queries, Codes):
            # Whether rows are of one kind does not hang on how many of them may be suspected.
            strict = null.threshold(min(1.0, self.expected_false), len(ratios), every)
            reason = null.of_another_kind(ratios, -1.0 if strict != strict else strict)
        if reason:
            score = LayerScore(at.name, at.known.code_bits, ordinary=at.fitted, reason=reason)
            return LayerSearch(score, at.known, distances, neighbours, null, view)
        score = LayerScore(
            at.name,
            at.known.code_bits,
            int(np.count_nonzero(ratios[fresh] <= threshold)),
            threshold,
            at.fitted,
            expected=len(ratios) * float(null.probability(threshold)),
            interval=null.interval(threshold, len(ratios)),
            copies=int(np.count_nonzero(null.every <= threshold) - np.count_nonzero(null.ordinary <= threshold)),
        )
        return LayerSearch(score, at.known, distances, neighbours, null, view)


def _parts(known: Codes) -> list[tuple[str, Codes]]:
    """Return the parts to search by name: all layers side by side where there are several, and each of them."""
    each = [(layer.name, known.layer(layer.name)) for layer in known.layers]
    return [(ALL_LAYERS, known), *each] if len(each) > 1 else each


def _single(known: Codes, queries: Codes | Rows) -> npt.NDArray[np.bool_]:
    """Return of each known row whether no other has the same input; of all where their digests are not compared."""
    keys = input_keys(Split(known, queries if isinstance(queries, Codes) else known))
    if keys is None:
        return np.ones(len(known), np.bool_)
    _, at, counts = np.unique(keys.train, return_inverse=True, return_counts=True)
    single = np.asarray(counts[at] == 1)
    return single if single.any() else ~single


def _fresh(known: Codes, queries: Codes | Rows, single: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return of each query whether no known row, or no other one, has the same input, as far as digests tell."""
    if not isinstance(queries, Codes):
        return single[queries]
    keys = input_keys(Split(known, queries))
    return np.ones(len(queries), np.bool_) if keys is None else ~np.isin(keys.test, keys.train)


def _cannot_promise(null: MeasuredNull, queries: int, expected_false: float) -> str:
    """Return why not even equal codes are as rare as is to be promised; empty where they are."""
    least = queries * null.rarest
    if least > expected_false:
        return (
            f"{len(null.every):,} training rows cannot show what happens to fewer than 1 in {1 / null.rarest:,.0f} by "
            f"chance, and {expected_false:g} of {queries:,} is less: give expected_false={ceil(least)}"
        )
    expected = queries * float(null.probability(0.0))
    if expected > expected_false:
        return f"about {rough(expected)} of {queries:,} rows would share their code with another by chance"
    return ""


def _chosen(found: Sequence[LayerSearch], expected_false: float) -> LayerSearch:
    usable = [at for at in found if not at.score.reason]
    if not usable:
        return next((at for at in reversed(found) if at.score.bits), found[-1])
    best = max(usable, key=_above)
    # What is expected is measured too: no layer is better for what its own null may be off by.
    enough = _above(best) - 2 * sqrt(best.score.suspected) - (best.score.interval[1] - best.score.expected)
    level = [at for at in usable if _above(at) >= enough]
    used = [at for at in level if at.score.expected >= expected_false / 2]
    return (used or level)[-1]


def _above(found: LayerSearch) -> float:
    return found.score.suspected - found.score.expected


def enough_rows(rows: int, rarity: float) -> int:
    """Return how many of the rows to ask for what happens to one in `rarity` of them, :data:`ORDINARY_ROWS` at least.

    A pair of rows that are nearest to each other counts once. The more of the rows are asked, the more such pairs are
    asked twice: of n rows, all in such pairs, s with s / (1 + s / n) = `rarity` are enough. One in ten is added, for
    rows with the input of another one.
    """
    share = rarity / max(1, rows)
    return max(ORDINARY_ROWS, ceil(1.1 * rarity / (1 - share))) if share < 1 else max(ORDINARY_ROWS, rows)


def sample_rows(rows: int, most: int, seed: int) -> Rows:
    """Return a sample of row numbers, ascending; all where there are no more than `most`."""
    if rows <= most:
        return np.arange(rows)
    return np.sort(numpy_generator(seed, "rows").choice(rows, most, replace=False, shuffle=False))


def scores_table(scores: tuple[LayerScore, ...], chosen: str) -> Table:
    """Return the scores of all layers for people to read."""
    rows = [
        (
            at.name + (" (chosen)" if at.name == chosen and not at.reason else ""),
            number(at.bits),
            at.reason or number(at.suspected),
            "–" if at.reason or at.expected != at.expected else rough(at.expected),
            "–" if at.reason else number(at.threshold, 3),
            "–" if at.reason else number(at.copies),
        )
        for at in scores
    ]
    note = (
        "Chosen: of the layers with the most suspected rows above chance, up to two standard errors of that number "
        "and the uncertainty of chance, the last."
        if len(scores) > 1 and any(at.name == chosen and not at.reason for at in scores)
        else ""
    )
    return table(
        "Layers", ("layer", "bits", "suspected by code", "by chance", "threshold", "copies in train"), rows, note
    )


def _unusable(at: SurveyedLayer, queries: int, k: int) -> LayerSearch:
    # Without a bit, every row is at distance 0 from every other.
    distances, neighbours = np.zeros((queries, k), np.int32), np.zeros((queries, k), np.int64)
    null = MeasuredNull.measure(np.zeros(len(at.rows)))
    return LayerSearch(LayerScore(at.name, 0, reason=at.reason), at.known, distances, neighbours, null)
