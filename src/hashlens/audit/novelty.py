"""Novelty: how far the code of a new example lies from the codes of the examples that a network was trained on."""

from functools import cached_property

import numpy as np
import numpy.typing as npt
from jaxtyping import Float64

from hashlens.arguments import is_number, require_whole, shortly
from hashlens.audit.calibration import Calibration
from hashlens.audit.local_ratio import nearest_others
from hashlens.audit.novel_items import NovelItems, Scores
from hashlens.codes.codes import Codes, require_same_code
from hashlens.data.labels import class_labels, class_name, renumbered
from hashlens.errors import AuditError, DataError
from hashlens.measures.classes import Labels, labelled_codes
from hashlens.measures.knn import nearest_codes
from hashlens.seeds import numpy_generator

__all__ = ["NovelItems", "Novelty"]

LEFT_OUT = 10_000
"""Of more training rows, so many are left out in turn: enough for a quantile, and no pass over all pairs."""


class Novelty:
    """Score new examples by the Hamming distance of their code to the k-th nearest training code.

    With the classes that the network predicts, the distance is to the k-th nearest training code of the predicted
    class, since an unknown example is often near some class and not the one that it was taken for. It is divided by the
    median of the same distance among the training codes of that class, each left out, so that scores of a tight and of
    a wide class compare, and those of layers: of codes of several layers, the score is the mean over them.

    Parameters
    ----------
    codes : Codes
        n training codes, of one layer or of several. Those without a label count among all classes together only.
    k : int
        Which neighbour. 1 is the nearest, which a single odd training example can bring near.
    per_class : bool
        Whether predictions are used; then the codes have labels. An example taken for a class of `k` training codes or
        fewer, which are too few to say what is ordinary there, is scored among the codes of all classes.
    held_out : Codes, optional
        m codes of known examples that the network was not trained on, to set thresholds on. By default training
        codes, each left out, of which the guarantee of :meth:`threshold` is not quite true: see there.
    held_out_predicted : array of int, optional
        ``(m,)``: the classes that the network predicts for them, as numbers of the training codes or as names; needed
        to set thresholds for scores that take predictions.
    bits : int
        Bits of a layer that are compared at most, a sample drawn with `seed`.
    seed : int
        Of that sample, and of which training codes are left out, where there are more than 10,000.

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
        held_out: Codes | None = None,
        held_out_predicted: npt.ArrayLike | None = None,
        bits: int = 1024,
        seed: int = 0,
    ) -> None:
        require_whole(AuditError, "k", k)
        require_whole(AuditError, "bits", bits)
        if not isinstance(codes, Codes):
            raise AuditError(f"codes must be Codes (hl.encode, Codes.load or Codes.from_bits), not {shortly(codes)}")
        if len(codes) <= k:
            raise AuditError(f"k={k} needs more than {k:,} training codes, received {len(codes):,}: lower k")
        if held_out is None and held_out_predicted is not None:
            raise AuditError("held_out_predicted are classes of held-out codes, and there are none: give held_out=")
        if held_out is not None:
            _require_rows(codes, held_out, "held_out")
        self.codes, self.k, self.per_class, self.bits, self.seed = codes, k, per_class, bits, seed
        self._held_out = held_out
        self._held_out_predicted = (
            None if held_out is None or held_out_predicted is None else self._numbers(held_out_predicted, len(held_out))
        )
        layers = self._layers(codes)
        self._all_codes = _Known(layers, k, LEFT_OUT, seed)
        groups = _rows_by_class(codes) if per_class else {}
        self._small_classes = {name: rows for name, rows in groups.items() if len(rows) <= k}
        share = max(1, LEFT_OUT // max(1, len(groups)))
        self._classes = {
            name: _Known([layer[rows] for layer in layers], k, max(share, LEFT_OUT * len(rows) // len(codes)), seed)
            for name, rows in groups.items()
            if name not in self._small_classes
        }

    def __repr__(self) -> str:
        kind = f"{len(self._classes) + len(self._small_classes)} classes" if self.per_class else "all classes together"
        return f"Novelty({len(self.codes):,} codes of {self.codes.code_bits:,} bits, k={self.k}, {kind})"

    def score(self, new_codes: Codes, predicted: npt.ArrayLike | None = None) -> Float64[Scores, " {len(new_codes)}"]:
        """Return how novel each example is, float64 ``(m,)``: 1 is ordinary, more is farther away.

        Parameters
        ----------
        new_codes : Codes
            m rows of the same bits.
        predicted : array of int, optional
            ``(m,)``: the classes that the network predicts, as numbers of the training codes or as names. Without them
            the nearest codes of all classes count.

        Raises
        ------
        AuditError
            If predictions do not fit, or there are no rows.
        CodesError
            If these are not the same bits of the same network.
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
        """Return the score that an example of the known kind exceeds with at most this probability.

        It is the ``ceil((m + 1)(1 - rate))``-th smallest of m calibration scores, infinite where that is more than m.
        Where only some training codes of a class are left out in turn, each stands for as many as there are for one.
        For a known example that is drawn as the held-out ones were, in any order, the probability holds exactly, over
        the draw of all of them. Without held-out codes, training codes are left out in turn instead: a network knows
        those better than new ones, so that false alarms are more than `false_alarm_rate`, the more it overfits.

        Parameters
        ----------
        false_alarm_rate : float
            Between 0 and 1.
        predicted : bool, optional
            For scores that take predictions or that do not; by default they do if ``per_class``.

        Raises
        ------
        AuditError
            If the rate is no probability, or predictions of the held-out codes are missing.
        """
        if not is_number(false_alarm_rate) or not 0 < false_alarm_rate < 1:
            raise AuditError(f"false_alarm_rate must lie between 0 and 1, received {shortly(false_alarm_rate)}")
        return self._calibration(self.per_class if predicted is None else predicted).threshold(false_alarm_rate)

    def p_values(self, scores: npt.ArrayLike, predicted: bool | None = None) -> Scores:
        """Return how likely a known example scores as high: (1 + calibration scores that do) / (m + 1), weighted.

        A score lies above ``threshold(rate)`` exactly where its p-value is `rate` or less.
        """
        calibration = self._calibration(self.per_class if predicted is None else predicted)
        try:
            values = np.asarray(scores, np.float64)
        except (TypeError, ValueError) as error:
            raise AuditError(f"scores must be numbers, received {shortly(scores)}") from error
        if np.isnan(values).any():
            raise AuditError("scores must be numbers, received NaN among them")
        return calibration.p_values(values)

    def novel(
        self, new_codes: Codes, predicted: npt.ArrayLike | None = None, false_alarm_rate: float = 0.05
    ) -> NovelItems:
        """Rank new examples, the most novel first, and set a threshold.

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
        )

    def _calibration_note(self, predicted: bool) -> str:
        """Return what a threshold without held-out codes is set on, and to which side it errs."""
        note = "training codes, each left out; expect more of them"
        if not (predicted and self._small_classes):
            return note
        # One of a class left out has none of its class to be near, where a new one does.
        return f"{note}, or fewer where classes have at most {self.k} examples"

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
        if self._held_out is None:
            parts = [(group.ordinary, len(group)) for group in self._classes.values()]
            if self._small_classes:
                small = np.concatenate(list(self._small_classes.values()))
                parts.append((self._all_codes.left_out(small), len(small)))
            return Calibration.from_samples([scores for scores, _ in parts], [rows for _, rows in parts])
        if self._held_out_predicted is None:
            raise AuditError(
                "thresholds for scores that take predictions need those of the held-out codes: give held_out_predicted="
            )
        return Calibration.from_samples([self.score(self._held_out, self._held_out_predicted)])

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
                f"class {class_name(self.codes.class_names, int(unknown[0]))} is predicted, and no training code has "
                f"that label: labels are {', '.join(self._class_list)}"
            )
        return classes

    @property
    def _class_list(self) -> list[str]:
        return [class_name(self.codes.class_names, name) for name in sorted([*self._classes, *self._small_classes])]

    def _numbers(self, predicted: npt.ArrayLike, rows: int) -> Labels:
        """Return predicted classes in the numbers of the training codes; names are found by name."""
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
                "predictions are names of classes, and the training codes have numbers without names: give numbers"
            )
        if unknown := [name for name in names if name not in training_names]:
            raise AuditError(
                f"class {unknown[0]} is predicted, and no training code has that label: labels are "
                f"{', '.join(self._class_list)}"
            )
        return renumbered(classes, np.array([training_names.index(name) for name in names], np.int64))


class _Known:
    """Training codes of one class, or of all, layer by layer, and how far they are from each other."""

    def __init__(self, layers: list[Codes], k: int, limit: int, seed: int) -> None:
        self.layers, self.k, self._limit, self._seed = layers, k, limit, seed

    def score(self, layers: list[Codes]) -> Scores:
        """Return the mean over layers of the distance to the k-th nearest, in units of the typical one."""
        distances = [
            nearest_codes(new_layer, group, self.k)[0][:, -1]
            for new_layer, group in zip(layers, self.layers, strict=True)
        ]
        return self._normalised(np.stack(distances))

    def __len__(self) -> int:
        return len(self.layers[0])

    @cached_property
    def ordinary(self) -> Scores:
        """Scores of training codes, each left out."""
        return self._normalised(self._sample)

    def left_out(self, rows: npt.NDArray[np.int64]) -> Scores:
        """Return the scores of some training codes, each left out."""
        return self._normalised(self._distances(rows))

    @cached_property
    def _sample(self) -> npt.NDArray[np.int32]:
        rows = np.arange(len(self))
        if len(rows) > self._limit:
            generator = numpy_generator(self._seed, "novelty")
            rows = np.sort(generator.choice(rows, self._limit, replace=False, shuffle=False))
        return self._distances(rows)

    def _distances(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
        return np.stack([nearest_others(layer, rows, self.k)[0][:, -1] for layer in self.layers])

    def _normalised(self, distances: npt.NDArray[np.int32]) -> Scores:
        # One bit is the smallest distance there is: where most codes are equal, the median is 0.
        typical = np.maximum(1.0, np.median(self._sample, axis=1))
        return np.asarray((distances / typical[:, None]).mean(axis=0))


def _rows_by_class(codes: Codes) -> dict[int, npt.NDArray[np.int64]]:
    if codes.labels is None:
        raise AuditError("per_class=True needs labelled training codes: encode labelled data, or set per_class=False")
    _, labels, rows = labelled_codes(codes, None, "novelty by class")
    all_rows = np.arange(len(codes))[rows]
    return {int(name): all_rows[labels == name] for name in np.unique(labels)}


def _require_rows(codes: Codes, others: Codes, name: str) -> None:
    if not isinstance(others, Codes):
        raise AuditError(f"{name} must be Codes, as the training codes are, not {shortly(others)}")
    require_same_code(codes, others)
    if len(others) == 0:
        raise AuditError(f"{name} holds no rows: there is nothing to score")
