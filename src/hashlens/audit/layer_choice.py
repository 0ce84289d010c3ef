"""Choice, without labels, of the layer that best separates near-duplicates from ordinary neighbours."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, inf, isnan, nan, sqrt
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hashlens.arguments import excerpt, is_number, require_whole
from hashlens.audit.local_ratio import OrdinaryRatios, Ratios, Rows, local_ratio, pair_ratios
from hashlens.audit.measured_null import UNCHECKED_POWER, Interval, MeasuredNull
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
"""Smallest number of training rows that the null is measured on; more where `expected_false` is small."""
FEWEST_BITS = 8
"""Smallest lower quartile of the nearest distance, in bits, at which the curve may stand in for an unchecked null."""


@dataclass(frozen=True)
class LayerScore(Result):
    """Number of suspected rows in a layer, and the number expected by chance.

    Attributes
    ----------
    name : str
        Name of the layer, or "all layers": the bits of all layers side by side.
    bits : int
        Number of bits compared: the bits of the layer that vary, or a sample of them.
    suspected : int
        Number of rows with a ratio at or below the threshold. Rows that repeat the input of another row are not
        counted: they are found without codes. The score of a layer is `suspected` minus `expected`.
    threshold : float
        Largest observed ratio at which at most `expected_false` rows are expected by chance. NaN where the layer
        cannot be used.
    ordinary : OrdinaryRatios or None
        Curve through the quartiles of the ratio among ordinary rows.
    reason : str
        Why the layer cannot be used; empty where it can.
    expected : float
        Number of rows expected at or below the threshold by chance. NaN where the layer cannot be used.
    interval : tuple of float
        95 % interval of `expected`.
    copies : int
        Number of reference rows at or below the threshold that are left out of the null as copies of each other.
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
        """Number expected by chance, with its interval, in words."""
        low, high = self.interval
        return f"about {rough(self.expected)} expected by chance ({low:.1f} to {high:.1f})"


@dataclass(frozen=True, eq=False)
class LayerSearch:
    """Result of a search in one layer: the nearest reference codes of each query.

    Attributes
    ----------
    score : LayerScore
        Counts and threshold.
    reference : Codes
        Reference codes, restricted to the compared bits.
    distances : numpy.ndarray
        int32 ``(m, k)``: distances to the k nearest codes, ascending, in bits.
    neighbours : numpy.ndarray
        int64 ``(m, k)``: rows of `reference`.
    null : MeasuredNull
        Distribution of the ratio among ordinary rows.
    view : numpy.ndarray or None
        int64 ``(m,)``: index of the view in which each query is nearest; None if the queries are rows of `reference`.
    """

    score: LayerScore
    reference: Codes
    distances: npt.NDArray[np.int32]
    neighbours: Rows
    null: MeasuredNull
    view: Rows | None = None

    @property
    def ratios(self) -> Ratios:
        """Local ratio of each query."""
        return local_ratio(self.distances)

    @property
    def expected(self) -> Ratios:
        """Number of queries expected by chance to have a ratio as low as each query's."""
        return np.asarray(len(self.distances) * self.null.probability(self.ratios))


@dataclass(frozen=True)
class Search:
    """Settings of a search for near-duplicates.

    Attributes
    ----------
    k : int
        Neighbour whose distance divides that of the nearest row; at least 3.
    layer : str or None
        Name of the layer, or "all layers"; None for the layer with the most suspected rows above chance.
    bits : int
        Largest number of bits compared of a row.
    expected_false : float
        Number of rows that may be expected at or below the threshold by chance.
    seed : int
        Seed of the samples.
    views : Views or None
        Codes of the queries and of the reference sample in other views. The nearest view of each row counts.
    """

    k: int
    layer: str | None
    bits: int
    expected_false: float
    seed: int
    views: "Views | None" = None

    def check(self, reference: Codes, queries: int, noun: str) -> None:
        """Raise AuditError if a setting is out of range, or does not fit the codes."""
        require_whole(AuditError, "k", self.k, least=3)
        require_whole(AuditError, "bits", self.bits)
        require_whole(AuditError, "seed", self.seed, least=0)
        if self.k + 1 > len(reference):
            raise AuditError(
                f"k={self.k} neighbours of a row need at least {self.k + 1} rows to search, received "
                f"{len(reference):,}: lower k or give more rows"
            )
        if not is_number(self.expected_false) or not 0 < self.expected_false < inf:
            raise AuditError(f"expected_false must be more than 0 rows, received {excerpt(self.expected_false)}")
        if self.expected_false >= queries:
            raise AuditError(
                f"expected_false must be less than the {queries:,} {noun}, received {self.expected_false:g}: "
                "it is how many of them may be suspected by chance"
            )
        names = [name for name, _ in _parts(reference)]
        if self.layer is not None and self.layer not in names:
            raise AuditError(f"no layer {self.layer!r} in these codes: {nearest(self.layer, names)}")

    def restricted_to(self, rows: Rows) -> "Search":
        """Return the same search restricted to some reference rows, ascending."""
        return self if self.views is None else replace(self, views=self.views.restricted_to(rows))

    def best(self, reference: Codes, queries: Codes | Rows) -> tuple[LayerSearch, tuple[LayerScore, ...]]:
        """Search other codes, or rows of `reference`; return the result in the chosen layer, and all scores.

        Layers are compared by the suspected rows above those expected by chance. Layers within two standard errors of
        the best, plus the uncertainty of the expected number, count as tied. The last of the tied layers is chosen: it
        is the least sensitive to crops, shifts and brightness. Tied layers in which fewer than half of `expected_false`
        rows are expected are chosen only if there is no other. If no layer can be used, the last one with bits is
        returned with a threshold of NaN, and each score states the reason.
        """
        if not isinstance(queries, Codes):
            survey_rows = queries
        elif self.views is not None:
            survey_rows = self.views.rows
        else:
            survey_rows = sample_rows(
                len(reference), enough_rows(len(reference), len(queries) / self.expected_false), self.seed
            )
        parts, unrepeated = _parts(reference), _unrepeated(reference, queries)
        unmatched = _unmatched(reference, queries, unrepeated)
        layers = [
            self._survey(name, part, survey_rows, unrepeated)
            for name, part in track(parts, "searching layers", len(parts))
        ]
        searches = [
            self._in_layer(layer, layers, queries, unmatched) for layer in layers if self.layer in (None, layer.name)
        ]
        return _chosen(searches, self.expected_false), tuple(layer.score for layer in searches)

    def in_layer(self, name: str, reference: Codes, queries: Codes | Rows, sample: Rows) -> LayerSearch:
        """Search `queries` in one layer; the rows `sample` of the other layers distinguish copies from chance."""
        rows = {name: queries} if not isinstance(queries, Codes) else {}
        unrepeated = _unrepeated(reference, queries)
        layers = [
            self._survey(layer_name, part, rows.get(layer_name, sample), unrepeated)
            for layer_name, part in _parts(reference)
        ]
        unmatched = _unmatched(reference, queries, unrepeated)
        return next(
            self._in_layer(layer_name, layers, queries, unmatched) for layer_name in layers if layer_name.name == name
        )

    def _survey(self, name: str, reference: Codes, rows: Rows, unrepeated: npt.NDArray[np.bool_]) -> SurveyedLayer:
        # Bits that are constant over the reference carry no information.
        chosen = ~reference.constant_bits()
        informative = np.flatnonzero(chosen)
        chosen[:] = False
        chosen[informative[sample_positions(len(informative), self.bits, self.seed)]] = True
        view_codes = () if self.views is None else self.views.layer(name).train
        return SurveyedLayer.survey(name, reference, chosen, rows, unrepeated[rows], self.k, view_codes)

    def _in_layer(
        self,
        layer: SurveyedLayer,
        layers: Sequence[SurveyedLayer],
        queries: Codes | Rows,
        unmatched: npt.NDArray[np.bool_],
    ) -> LayerSearch:
        if layer.reference.code_bits == 0:
            return _unusable(layer, len(queries), self.k)
        distances, neighbours, view = self._nearest(layer, queries)
        null, reason = self._null(layer, layers, not isinstance(queries, Codes))
        ratios, all_ratios = local_ratio(distances), pair_ratios(distances)
        reason = reason or _unattainable(null, len(ratios), self.expected_false)
        threshold = nan if reason else null.threshold(self.expected_false, len(ratios), all_ratios)
        if not reason and isinstance(queries, Codes):
            # The check for a shift must not depend on `expected_false`.
            strict_threshold = null.threshold(min(1.0, self.expected_false), len(ratios), all_ratios)
            reason = null.distribution_shift(ratios, -1.0 if isnan(strict_threshold) else strict_threshold)
        if reason:
            score = LayerScore(layer.name, layer.reference.code_bits, ordinary=layer.fitted, reason=reason)
            return LayerSearch(score, layer.reference, distances, neighbours, null, view)
        score = LayerScore(
            layer.name,
            layer.reference.code_bits,
            int(np.count_nonzero(ratios[unmatched] <= threshold)),
            threshold,
            layer.fitted,
            expected=len(ratios) * float(null.probability(threshold)),
            interval=null.interval(threshold, len(ratios)),
            copies=int(
                np.count_nonzero(null.all_ratios <= threshold) - np.count_nonzero(null.ordinary_ratios <= threshold)
            ),
        )
        return LayerSearch(score, layer.reference, distances, neighbours, null, view)

    def _nearest(self, layer: SurveyedLayer, queries: Codes | Rows) -> tuple[npt.NDArray[np.int32], Rows, Rows | None]:
        """Return the distances and rows of the k codes nearest to each query, and the view that they are nearest in."""
        if not isinstance(queries, Codes):
            return layer.distances, layer.neighbours, None
        views = [queries if layer.name == ALL_LAYERS else queries.layer(layer.name)]
        views += [] if self.views is None else self.views.layer(layer.name).test
        return nearest_view([part.keep(layer.chosen) for part in views], layer.reference, self.k)

    def _null(
        self, layer: SurveyedLayer, layers: Sequence[SurveyedLayer], within_reference: bool
    ) -> tuple[MeasuredNull, str]:
        """Return the null of a layer, and why the layer cannot be used; empty where it can.

        `within_reference` says whether the queries are rows of the reference.
        """
        reason, copies, unchecked = layer.reason, layer.copies(layers), False
        if copies is None and (len(layers) == 1 or within_reference):
            # No other layer can tell which rows are copies. With enough bits, the null is then the fitted curve alone.
            lower_quartile = float(np.quantile(layer.distances[:, 0], 0.25))
            if unchecked := lower_quartile >= FEWEST_BITS:
                copies = np.ones(len(layer.rows), np.bool_)
            elif not reason and within_reference:
                bits = "1 bit" if lower_quartile == 1 else f"{lower_quartile:g} bits"
                reason = f"neighbours differ in {bits}, and there is no other layer to distinguish copies from chance"
        # Rows that repeat an input are copies, not chance: they are left out of the null.
        null = MeasuredNull.measure(
            layer.ratios[layer.unrepeated],
            None if copies is None else copies[layer.unrepeated],
            layer.fitted,
            (layer.rows[layer.unrepeated], layer.neighbours[layer.unrepeated, 0]),
            UNCHECKED_POWER if unchecked else 1.0,
            int(not within_reference),
        )
        return null, reason


def _parts(reference: Codes) -> list[tuple[str, Codes]]:
    """Return the candidates to search, by name: each layer and, if there are several, all of them side by side."""
    single_layers = [(layer.name, reference.layer(layer.name)) for layer in reference.layers]
    return [(ALL_LAYERS, reference), *single_layers] if len(single_layers) > 1 else single_layers


def _unrepeated(reference: Codes, queries: Codes | Rows) -> npt.NDArray[np.bool_]:
    """Return which reference rows repeat no other input, bool ``(n,)``; all if digests cannot be compared."""
    keys = input_keys(Split(reference, queries if isinstance(queries, Codes) else reference))
    if keys is None:
        return np.ones(len(reference), np.bool_)
    _, key, counts = np.unique(keys.train, return_inverse=True, return_counts=True)
    unrepeated = np.asarray(counts[key] == 1)
    return unrepeated if unrepeated.any() else ~unrepeated


def _unmatched(reference: Codes, queries: Codes | Rows, unrepeated: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return which queries have an input that no other reference row has, bool ``(m,)``, by digests where there are."""
    if not isinstance(queries, Codes):
        return unrepeated[queries]
    keys = input_keys(Split(reference, queries))
    return np.ones(len(queries), np.bool_) if keys is None else ~np.isin(keys.test, keys.train)


def _unattainable(null: MeasuredNull, queries: int, expected_false: float) -> str:
    """Return why `expected_false` cannot be reached even for equal codes; empty where it can."""
    fewest = queries * null.smallest_probability
    if fewest > expected_false:
        return (
            f"{len(null.all_ratios):,} training rows cannot measure events rarer than 1 in "
            f"{1 / null.smallest_probability:,.0f}, and {expected_false:g} of {queries:,} is rarer: give "
            f"expected_false={ceil(fewest)}"
        )
    expected = queries * float(null.probability(0.0))
    if expected > expected_false:
        return f"about {rough(expected)} of {queries:,} rows would share their code with another by chance"
    return ""


def _chosen(searches: Sequence[LayerSearch], expected_false: float) -> LayerSearch:
    usable = [search for search in searches if not search.score.reason]
    if not usable:
        return next((search for search in reversed(searches) if search.score.bits), searches[-1])
    highest = max(usable, key=_excess)
    # The expected number is an estimate: its uncertainty must not decide between layers.
    enough = _excess(highest) - 2 * sqrt(highest.score.suspected) - (highest.score.interval[1] - highest.score.expected)
    tied = [search for search in usable if _excess(search) >= enough]
    full = [search for search in tied if search.score.expected >= expected_false / 2]
    return (full or tied)[-1]


def _excess(search: LayerSearch) -> float:
    return search.score.suspected - search.score.expected


def enough_rows(rows: int, rarity: float) -> int:
    """Return how many of `rows` to survey to estimate a rate of one in `rarity`, at least :data:`ORDINARY_ROWS`.

    Two rows that are nearest to each other count once. If all n rows are in such pairs, a survey of s rows holds
    s / (1 + s / n) independent ones. A tenth is added for rows that repeat an input.
    """
    share = rarity / max(1, rows)
    return max(ORDINARY_ROWS, ceil(1.1 * rarity / (1 - share))) if share < 1 else max(ORDINARY_ROWS, rows)


def sample_rows(rows: int, limit: int, seed: int) -> Rows:
    """Return at most `limit` row numbers drawn at random, ascending."""
    if rows <= limit:
        return np.arange(rows)
    return np.sort(numpy_generator(seed, "rows").choice(rows, limit, replace=False, shuffle=False))


def scores_table(scores: tuple[LayerScore, ...], chosen: str) -> Table:
    """Return the scores of all layers for people to read."""
    rows = [
        (
            score.name + (" (chosen)" if score.name == chosen and not score.reason else ""),
            number(score.bits),
            score.reason or number(score.suspected),
            "–" if score.reason or score.expected != score.expected else rough(score.expected),
            "–" if score.reason else number(score.threshold, 3),
            "–" if score.reason else number(score.copies),
        )
        for score in scores
    ]
    note = (
        "Chosen: the layer with the most suspected rows above chance. Layers within two standard errors of "
        "this number, and the uncertainty of chance, are tied; the last of them is chosen."
        if len(scores) > 1 and any(score.name == chosen and not score.reason for score in scores)
        else ""
    )
    return table(
        "Layers", ("layer", "bits", "suspected by code", "by chance", "threshold", "copies in train"), rows, note
    )


def _unusable(layer: SurveyedLayer, queries: int, k: int) -> LayerSearch:
    # Without bits all distances are 0.
    distances, neighbours = np.zeros((queries, k), np.int32), np.zeros((queries, k), np.int64)
    null = MeasuredNull.measure(np.zeros(len(layer.rows)))
    return LayerSearch(LayerScore(layer.name, 0, reason=layer.reason), layer.reference, distances, neighbours, null)
