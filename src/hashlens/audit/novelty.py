"""Novelty: the distance of the code of a new example from the codes of the training examples of a network."""

from functools import cached_property

import numpy as np
import numpy.typing as npt
from jaxtyping import Float64

from hashlens.arguments import excerpt, is_number, require_whole
from hashlens.audit.calibration import Calibration
from hashlens.audit.known_codes import KnownCodes
from hashlens.audit.novel_items import NovelItems, Scores
from hashlens.codes.codes import Codes, require_same_code
from hashlens.data.labels import class_labels, class_name, renumber
from hashlens.errors import AuditError, DataError
from hashlens.measures.classes import Labels, labelled_codes

__all__ = ["NovelItems", "Novelty"]

LEFT_OUT = 10_000
"""Largest number of training rows that are left out in turn: enough for a quantile, without searching all pairs."""


class Novelty:
    """Score new examples by the Hamming distance of their code to the k-th nearest training code.

    If predicted classes are known, the distance is to the k-th nearest training code of the predicted class, since an
    unknown example is often near the codes of another class. The distance is divided by its median among the training
    codes of that class, each compared with the others (leave-one-out). So scores are comparable between tight and wide
    classes, and between layers. For codes of several layers, the score is the mean over the layers.

    Parameters
    ----------
    codes : Codes
        n training codes, of one layer or of several. Codes without a label count only for scores without predictions.
    k : int
        Rank of the neighbour whose distance counts. With 1, a single unusual training example can make a novel example
        look ordinary.
    per_class : bool
        Whether predicted classes are used; if so, the codes must have labels. A class with `k` training codes or fewer
        is too small: examples predicted as such a class are scored among the codes of all classes.
    predicted : array of int, optional
        ``(n,)``: predicted classes of the training codes, as class numbers or names. Then each training code that is
        left out is scored in its predicted class, as new examples are. By default it is scored in the class of its
        label, and thresholds are wrong if the network misclassifies many examples.
    held_out : Codes, optional
        m codes of known examples that the network was not trained on, to set thresholds on. By default thresholds are
        set on training codes, each left out in turn; then the guarantee of :meth:`threshold` does not hold exactly.
    held_out_predicted : array of int, optional
        ``(m,)``: predicted classes of the held-out examples, as class numbers of the training codes or as class names.
        Thresholds of scores with predictions need them.
    bits : int
        Largest number of bits compared of a layer, a sample drawn with `seed`.
    seed : int
        Seed of the sample of bits and, with more than 10,000 training codes, of those that are left out in turn.

    Raises
    ------
    AuditError
        If an argument does not fit the codes.
    CodesError
        If the held-out codes are not the same bits of the same network.

    References
    ----------
    Sun, Ming, Zhu, Li (2022): Out-of-distribution detection with deep nearest neighbors. ICML (the k-th nearest, of
    float features).
    Vovk, Gammerman, Shafer (2005): Algorithmic learning in a random world. Springer (thresholds and p-values).

    Examples
    --------
    >>> known = Codes.from_bits([[0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0], [0, 1, 0, 0]])
    >>> Novelty(known, k=1, per_class=False).score(Codes.from_bits([[1, 0, 0, 0], [1, 1, 1, 1]])).tolist()
    [1.0, 3.0]
    """

    def __init__(
        self,
        codes: Codes,
        k: int = 5,
        per_class: bool = True,
        *,
        predicted: npt.ArrayLike | None = None,
        held_out: Codes | None = None,
        held_out_predicted: npt.ArrayLike | None = None,
        bits: int = 1024,
        seed: int = 0,
    ) -> None:
        require_whole(AuditError, "k", k)
        require_whole(AuditError, "bits", bits)
        if not isinstance(codes, Codes):
            raise AuditError(f"codes must be Codes (hl.encode, Codes.load or Codes.from_bits), not {excerpt(codes)}")
        if len(codes) <= k:
            raise AuditError(f"k={k} needs more than {k:,} training codes, received {len(codes):,}: lower k")
        if held_out is None and held_out_predicted is not None:
            raise AuditError("held_out_predicted needs held-out codes: give held_out=")
        if held_out is not None:
            _require_rows(codes, held_out, "held_out")
        self.codes, self.k, self.per_class, self.bits, self.seed = codes, k, per_class, bits, seed
        if predicted is not None:
            self._require_classes()
        self._held_out = held_out
        self._predicted = None if predicted is None else self._numbers(predicted, len(codes))
        self._held_out_predicted = (
            None if held_out is None or held_out_predicted is None else self._numbers(held_out_predicted, len(held_out))
        )
        layers = self._layers(codes)
        self._all_codes = KnownCodes(layers, k, LEFT_OUT, seed)
        self._class_rows = groups = _rows_by_class(codes) if per_class else {}
        self._small_classes = {name: rows for name, rows in groups.items() if len(rows) <= k}
        share = max(1, LEFT_OUT // max(1, len(groups)))
        self._classes = {
            name: KnownCodes([layer[rows] for layer in layers], k, max(share, LEFT_OUT * len(rows) // len(codes)), seed)
            for name, rows in groups.items()
            if name not in self._small_classes
        }

    def __repr__(self) -> str:
        kind = f"{len(self._classes) + len(self._small_classes)} classes" if self.per_class else "all classes together"
        return f"Novelty({len(self.codes):,} codes of {self.codes.code_bits:,} bits, k={self.k}, {kind})"

    def score(self, new_codes: Codes, predicted: npt.ArrayLike | None = None) -> Float64[Scores, " {len(new_codes)}"]:
        """Return the novelty score of each example, float64 ``(m,)``: 1 is ordinary, higher is farther away.

        Parameters
        ----------
        new_codes : Codes
            m rows of the same bits.
        predicted : array of int, optional
            ``(m,)``: predicted classes, as class numbers of the training codes or as class names. Without them the
            nearest codes of all classes count.

        Raises
        ------
        AuditError
            If the predictions do not fit the codes, or there are no rows.
        CodesError
            If the codes are not the same bits of the same network.
        """
        _require_rows(self.codes, new_codes, "new_codes")
        layers = self._layers(new_codes)
        if predicted is None:
            return self._all_codes.score(layers)
        classes = self._checked_classes(predicted, len(new_codes))
        scores = np.empty(len(new_codes))
        for name, group in self._classes.items():
            rows = np.flatnonzero(classes == name)
            if len(rows):
                scores[rows] = group.score([layer[rows] for layer in layers])
        rows = np.flatnonzero(np.isin(classes, list(self._small_classes)))
        if len(rows):
            scores[rows] = self._all_codes.score([layer[rows] for layer in layers])
        return scores

    def threshold(self, false_alarm_rate: float = 0.05, predicted: bool | None = None) -> float:
        """Return the score that a known example exceeds with at most this probability (conformal prediction).

        It is the ``ceil((m + 1)(1 - rate))``-th smallest of m calibration scores, and infinite where that is more than
        m. If only a sample of the training codes of a class is left out in turn, each is weighted by the number that it
        represents. The probability is exact for a known example that is exchangeable with the held-out examples, on
        average over draws of all of them. Without held-out codes, training codes are left out in turn. A network fits
        these better than new examples, so the false alarm rate is then higher than `false_alarm_rate`, the more the
        network overfits. The rate of scores with predictions is closer if Novelty is given `predicted`.

        Parameters
        ----------
        false_alarm_rate : float
            Largest probability that a known example scores above the threshold, between 0 and 1.
        predicted : bool, optional
            Whether the scores use predicted classes; by default they do if ``per_class``.

        Raises
        ------
        AuditError
            If the rate is not between 0 and 1, or predictions of the held-out codes are missing.
        """
        if not is_number(false_alarm_rate) or not 0 < false_alarm_rate < 1:
            raise AuditError(f"false_alarm_rate must lie between 0 and 1, received {excerpt(false_alarm_rate)}")
        return self._calibration(self.per_class if predicted is None else predicted).threshold(false_alarm_rate)

    def p_values(self, scores: npt.ArrayLike, predicted: bool | None = None) -> Scores:
        """Return the probability that a known example scores as high or higher.

        It is (1 + the number of calibration scores that do) / (m + 1), weighted as in :meth:`threshold`. A score is
        above ``threshold(rate)`` exactly if its p-value is `rate` or less.
        """
        calibration = self._calibration(self.per_class if predicted is None else predicted)
        try:
            values = np.asarray(scores, np.float64)
        except (TypeError, ValueError) as error:
            raise AuditError(f"scores must be numbers, received {excerpt(scores)}") from error
        if np.isnan(values).any():
            raise AuditError("scores must be numbers, received NaN among them")
        return calibration.p_values(values)

    def novel(
        self, new_codes: Codes, predicted: npt.ArrayLike | None = None, false_alarm_rate: float = 0.05
    ) -> NovelItems:
        """Rank new examples, the most novel first, and call those above the threshold novel.

        Parameters
        ----------
        new_codes, predicted
            As in :meth:`score`.
        false_alarm_rate : float
            As in :meth:`threshold`.
        """
        used = predicted is not None
        threshold = self.threshold(false_alarm_rate, used)
        scores = self.score(new_codes, predicted)
        order = np.argsort(-scores, kind="stable")
        return NovelItems(
            ids=new_codes.ids[order],
            rows=order,
            scores=scores[order],
            p_values=self.p_values(scores[order], used),
            threshold=threshold,
            false_alarm_rate=float(false_alarm_rate),
            calibration=(
                self._calibration_note(used) if self._held_out is None else f"{len(self._held_out):,} held-out codes"
            ),
            alarms=self._calibration(used).share_above(threshold),
            by_class=used,
        )

    def _calibration_note(self, predicted: bool) -> str:
        """Describe what a threshold without held-out codes is set on, and the direction of its bias."""
        note = "training codes, each left out in turn; expect more false alarms if the network overfits"
        if not predicted:
            return note
        if self._predicted is None:
            note += ", more or fewer if it misclassifies many"
        # With one example of a small class left out, fewer of that class remain near it than near a new example.
        return f"{note}, fewer where classes have at most {self.k} examples" if self._small_classes else note

    def _calibration(self, predicted: bool) -> Calibration:
        if not predicted:
            return self._overall_calibration
        self._require_classes()
        return self._class_calibration

    @cached_property
    def _overall_calibration(self) -> Calibration:
        return Calibration.from_samples(
            [self._all_codes.ordinary if self._held_out is None else self.score(self._held_out)]
        )

    @cached_property
    def _class_calibration(self) -> Calibration:
        if self._held_out is None and self._predicted is not None:
            parts = self._left_out_parts(self._checked_classes(self._predicted, len(self.codes)))
            return Calibration.from_samples([scores for scores, _ in parts], [rows for _, rows in parts])
        if self._held_out is None:
            parts = [(group.ordinary, len(group)) for group in self._classes.values()]
            if self._small_classes:
                small = np.concatenate(list(self._small_classes.values()))
                parts.append((self._all_codes.leave_one_out(small), len(small)))
            return Calibration.from_samples([scores for scores, _ in parts], [rows for _, rows in parts])
        if self._held_out_predicted is None:
            raise AuditError(
                "thresholds for scores that take predictions need those of the held-out codes: give held_out_predicted="
            )
        return Calibration.from_samples([self.score(self._held_out, self._held_out_predicted)])

    def _left_out_parts(self, predicted: Labels) -> list[tuple[Scores, int]]:
        """Return scores of training codes in their predicted classes, each left out, with the rows they stand for."""
        parts = []
        for name, group in self._classes.items():
            rows = np.flatnonzero(predicted == name)
            if len(rows):
                parts.append((self._left_out_scores(name, group, group.sample_of(rows)), len(rows)))
        small = np.flatnonzero(np.isin(predicted, list(self._small_classes)))
        if len(small):
            parts.append((self._all_codes.leave_one_out(self._all_codes.sample_of(small)), len(small)))
        return parts

    def _left_out_scores(self, name: int, group: KnownCodes, rows: npt.NDArray[np.int64]) -> Scores:
        """Return scores of training codes in a class; those that belong to it are left out of it."""
        scores, members = np.empty(len(rows)), self._class_rows[name]
        own = np.isin(rows, members)
        if own.any():
            scores[own] = group.leave_one_out(np.searchsorted(members, rows[own]))
        if not own.all():
            scores[~own] = group.score([layer[rows[~own]] for layer in self._all_codes.layers])
        return scores

    def _layers(self, codes: Codes) -> list[Codes]:
        return [codes.layer(layer.name).sample_bits(self.bits, self.seed) for layer in codes.layers]

    def _require_classes(self) -> None:
        if not self.per_class:
            raise AuditError("predictions are not used with per_class=False: leave them out, or set per_class=True")

    def _checked_classes(self, predicted: npt.ArrayLike, rows: int) -> Labels:
        self._require_classes()
        classes = self._numbers(predicted, rows)
        unknown = np.setdiff1d(classes, [*self._classes, *self._small_classes])
        if len(unknown):
            raise AuditError(
                f"class {class_name(self.codes.class_names, int(unknown[0]))} is predicted, but no training "
                f"code has this label: labels are {', '.join(self._class_list)}"
            )
        return classes

    @property
    def _class_list(self) -> list[str]:
        return [class_name(self.codes.class_names, name) for name in sorted([*self._classes, *self._small_classes])]

    def _numbers(self, predicted: npt.ArrayLike, rows: int) -> Labels:
        """Return predicted classes, class numbers or names, as class numbers of the training codes."""
        try:
            classes, names = class_labels(predicted, "novelty: predicted", all_labels=False)
        except DataError as error:
            raise AuditError(str(error)) from error
        if len(classes) != rows:
            raise AuditError(
                f"novelty needs one label for each of {rows:,} rows, received {len(classes):,} predictions"
            )
        training_names = self.codes.class_names
        if names is None:
            return classes
        if training_names is None:
            raise AuditError(
                "predictions are class names, but the training codes have class numbers without names: give numbers"
            )
        if unknown := [name for name in names if name not in training_names]:
            raise AuditError(
                f"class {unknown[0]} is predicted, and no training code has that label: labels are "
                f"{', '.join(self._class_list)}"
            )
        return renumber(classes, np.array([training_names.index(name) for name in names], np.int64))


def _rows_by_class(codes: Codes) -> dict[int, npt.NDArray[np.int64]]:
    if codes.labels is None:
        raise AuditError("per_class=True needs labelled training codes: encode labelled data, or set per_class=False")
    _, labels, rows = labelled_codes(codes, None, "novelty by class")
    all_rows = np.arange(len(codes))[rows]
    return {int(name): all_rows[labels == name] for name in np.unique(labels)}


def _require_rows(codes: Codes, others: Codes, name: str) -> None:
    if not isinstance(others, Codes):
        raise AuditError(f"{name} must be Codes, as the training codes are, not {excerpt(others)}")
    require_same_code(codes, others)
    if len(others) == 0:
        raise AuditError(f"{name} holds no rows: there is nothing to score")
