"""Comparison of two models: how similar their codes of the same examples are, and which neighbourhoods changed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Unpack

import numpy as np
import numpy.typing as npt
import torch
from rich.console import Group, RenderableType

from hashlens.arguments import require_whole
from hashlens.audit.figures import shares
from hashlens.audit.linear_cka import MIN_ROWS, linear_cka
from hashlens.audit.local_ratio import nearest_others
from hashlens.codes.codes import Codes
from hashlens.codes.observe import Observation, observe
from hashlens.codes.reading import Reading, ReadingOptions
from hashlens.data.labels import ClassNames, fitting_names, has_label, one_numbering
from hashlens.data.numbering import match_class_numbers
from hashlens.data.sources import load_data
from hashlens.errors import AuditError
from hashlens.measures.classes import Labels
from hashlens.nets.class_names import declared_classes
from hashlens.nets.output import output_notes
from hashlens.ranked import EXAMPLE, Column, Ranked
from hashlens.report.figures import Figure, Histogram, Lines
from hashlens.result import Result
from hashlens.tables import number, table

Shares = npt.NDArray[np.float64]
BITS = 1024
"""Default number of bits compared of a layer."""


@dataclass(frozen=True)
class LayerAgreement(Result):
    """Similarity of the codes that two models give n examples at one layer.

    Attributes
    ----------
    name : str
        Name of the layer.
    bits : tuple of int
        Number of bits compared, of the first and of the second model.
    cka : float
        Debiased linear CKA of the codes: 1 for equal geometry, 0 for unrelated codes; NaN where a code hardly varies.
    overlap : float
        Share of the k nearest other examples that both models have in common, averaged over the examples.
    jaccard : float
        Jaccard index of the two sets of k nearest examples, averaged over the examples.
    """

    name: str
    bits: tuple[int, int]
    cka: float
    overlap: float
    jaccard: float


@dataclass(frozen=True, eq=False)
class ModelComparison(Ranked):
    """Differences between two models on n examples; those whose neighbourhoods changed most come first.

    Attributes
    ----------
    models : tuple of str
        Names of the two models, with the first digits of the digest of their parameters.
    k : int
        Number of neighbours in a neighbourhood.
    chance : float
        Overlap expected of two neighbourhoods drawn at random.
    layers : tuple of LayerAgreement
        Similarity at each layer that both models have, in the order of the first model.
    same_predictions : float or None
        Share of the examples for which both models predict the same class; None where one predicts no classes.
    accuracy : tuple of float or None
        Accuracy of each model; None where it is not known.
    ids : numpy.ndarray
        int64 or str ``(n,)``: identifiers of the examples.
    rows : numpy.ndarray
        int64 ``(n,)``: row of each example in the data.
    overlap : numpy.ndarray
        float64 ``(n,)``, ascending: share of neighbours that both models have in common, averaged over the layers.
    labels, predicted_a, predicted_b : numpy.ndarray or None
        int64 ``(n,)``: labels, and predicted classes of the first and of the second model.
    notes : tuple of str
        Caveats: layers and gates left out, how outputs were read, and models with the same parameters.
    outputs : tuple of str
        How the output of each model was read; empty where it gives no scores.
    class_names : tuple of str
        Names of classes 0, 1, ...; empty where classes have none.
    """

    COLUMNS: ClassVar[tuple[Column, ...]] = (
        *EXAMPLE,
        Column("overlap", dtype=float),
        Column("label", "labels", int, classes=True),
        Column("predicted_a", dtype=int, classes=True),
        Column("predicted_b", dtype=int, classes=True),
    )

    models: tuple[str, str]
    k: int
    chance: float
    layers: tuple[LayerAgreement, ...]
    same_predictions: float | None
    accuracy: tuple[float | None, float | None]
    ids: npt.NDArray[Any]
    rows: npt.NDArray[np.int64]
    overlap: Shares
    labels: Labels | None
    predicted_a: Labels | None
    predicted_b: Labels | None
    notes: tuple[str, ...] = ()
    outputs: tuple[str, str] = ("", "")
    class_names: tuple[str, ...] = ()

    def __rich__(self) -> RenderableType:
        layers = table(
            f"{self.models[0]} and {self.models[1]} on {len(self):,} examples",
            ("layer", "bits", "CKA", "overlap", "Jaccard"),
            [(layer.name, number(layer.bits[0]), number(layer.cka), number(layer.overlap), number(layer.jaccard))
             for layer in self.layers],
            f"Overlap of the {self.k} nearest neighbours; by chance {self.chance:.4f}. " + " ".join(self.notes),
        )  # fmt: skip
        rows = [("accuracy of the first", number(self.accuracy[0])),
                ("accuracy of the second", number(self.accuracy[1])),
                ("same predictions", number(self.same_predictions))]  # fmt: skip
        read = [f"The output of the {which} was read as {output}." for which, output in
                zip(("first", "second"), self.outputs, strict=True) if output]  # fmt: skip
        return Group(
            layers,
            table("Predictions", ("", ""), rows, " ".join(read)),
            self.table("Largest changes of the neighbourhood"),
        )

    def figures(self) -> tuple[Figure, ...]:
        """Return figures of the agreement by layer, and of the shares of neighbours in common."""
        layers = self.layers
        lines = {
            "CKA": [layer.cka for layer in layers],
            f"{self.k} nearest in common": [layer.overlap for layer in layers],
            "Jaccard": [layer.jaccard for layer in layers],
            "in common by chance": [self.chance] * len(layers),
        }
        edges = np.linspace(0, 1, 21)
        return (
            Lines.over([layer.name for layer in layers], lines, title=f"Similarity of {' and '.join(self.models)}",
                       x_label="layer", y_label="agreement"),
            Histogram("Neighbours in common, by example", "share of nearest neighbours in common, mean over layers",
                      tuple(edges.tolist()), (("examples", shares(self.overlap, edges)),), "share of examples"),
        )  # fmt: skip


def compare_models(
    a: torch.nn.Module,
    b: torch.nn.Module,
    data: Any,
    *,
    k: int = 10,
    reading: Reading | None = None,
    memory_budget: int = 2 << 30,
    **options: Unpack[ReadingOptions],
) -> ModelComparison:
    """Compare the codes that two models, such as two checkpoints or two seeds, give the same examples.

    The units of two trained networks do not correspond. So the comparison is of geometry: which examples are near each
    other. Layers are matched by name, and may differ in width. The time for finding neighbours grows with the square of
    the number of examples; the memory needed is that of the codes.

    Parameters
    ----------
    a, b : torch.nn.Module
        The two models.
    data : str, Examples, pair, Dataset or DataLoader
        n examples, in any form that :func:`hashlens.load_data` takes; more than `k`.
    k : int
        Number of neighbours compared.
    reading, **options
        How both networks are read: a :class:`hashlens.Reading`, or its fields. ``bits`` is the largest number of bits
        compared of a layer, 1,024 by default.
    memory_budget : int
        Bytes that the codes of a model may take, 2 GiB by default; of wider codes a sample of the bits is read.

    Returns
    -------
    ModelComparison
        The result. It prints as tables; ``to_csv(path)`` writes the ranking.

    Raises
    ------
    AuditError
        If the models have no layer in common, or there are too few examples.
    HashlensError
        If :func:`hashlens.encode` raises it.

    References
    ----------
    Kornblith, Norouzi, Lee, Hinton (2019): Similarity of neural network representations revisited. ICML.
    """
    require_whole(AuditError, "k", k)
    require_whole(AuditError, "memory_budget", memory_budget)
    examples = load_data(data)
    numberings = [_class_names_of(*models, examples.class_names) for models in ((a, b), (b, a))]
    reading = Reading.from_options(compare_models, reading, options)
    bits, seed = BITS if reading.bits is None else reading.bits, reading.seed
    budget = max(8, memory_budget // len(examples))
    first, second = (
        observe(model, match_class_numbers(examples, names), replace(reading, bits=None), budget)
        for model, names in zip((a, b), numberings, strict=True)
    )
    first, second = _with_class_names(first, numberings[0]), _with_class_names(second, numberings[1])
    n = len(first.codes)
    if n <= k or n < MIN_ROWS:
        raise AuditError(f"k={k} neighbours need more than {max(k, MIN_ROWS - 1)} examples, received {n}")
    if not np.array_equal(first.codes.ids, second.codes.ids):
        raise AuditError(f"{examples.name}: the two models received the examples in different orders: fix the order")
    names = [layer.name for layer in first.codes.layers if layer.name in {other.name for other in second.codes.layers}]
    if not names:
        listed = [", ".join(layer.name for layer in observation.codes.layers[:4]) for observation in (first, second)]
        raise AuditError(f"the two models have no layer of the same name: {listed[0]}, ... and {listed[1]}, ...")
    agreements, shared = list[LayerAgreement](), np.zeros(n)
    for name in names:
        pair = [observation.codes.layer(name).sample_bits(bits, seed) for observation in (first, second)]
        common = common_neighbours(pair[0], pair[1], k)
        shared += common / (k * len(names))
        agreements.append(
            LayerAgreement(
                name=name,
                bits=(pair[0].code_bits, pair[1].code_bits),
                cka=linear_cka(pair[0], pair[1]),
                overlap=float((common / k).mean()),
                jaccard=float((common / (2 * k - common)).mean()),
            )
        )
    return _comparison(first, second, agreements, shared, k)


def _class_names_of(model: torch.nn.Module, other: torch.nn.Module, data_names: ClassNames) -> ClassNames:
    """Return the class names of a model; where it has none, those of the data, or of the other model.

    Data that lack a class of the other model are numbered differently from both models.
    """
    own_names, other_names = declared_classes(model), declared_classes(other)
    return (
        other_names
        if own_names is None and other_names is not None and set(data_names or ()) < set(other_names)
        else own_names
    )


def _with_class_names(observation: Observation, class_names: ClassNames) -> Observation:
    """Return an observation whose codes have the class names of the network where the data have none."""
    codes = observation.codes
    names = fitting_names(codes.labels, codes.class_names or class_names)
    return replace(observation, codes=replace(codes, class_names=names))


def _second_predictions(first: Observation, second: Observation) -> tuple[Labels | None, ClassNames]:
    """Return the second model's predictions in the class numbers of the first, and the names of all classes."""
    first_names, second_names = first.codes.class_names, second.codes.class_names
    if first_names is None or second_names is None or first_names == second_names or second.classes > len(second_names):
        return second.predictions, first_names
    labels, union, _ = one_numbering(
        [(None, first_names), (second.predictions, second_names)], ["the first", "the second"], AuditError
    )
    return labels[1], union


def _second_accuracy(
    second: Observation, predicted: Labels | None, labels: Labels | None, class_names: ClassNames
) -> float | None:
    """Return the accuracy of the second model; predictions and labels have the class numbers of the first."""
    if second.accuracy is None or predicted is None or labels is None:
        return None
    labelled = has_label(labels)
    return float((predicted == labels)[labelled].mean())


def common_neighbours(a: Codes, b: Codes, k: int) -> npt.NDArray[np.int64]:
    """Return the number of its k nearest other examples that each example has in both codes, int64 ``(n,)``.

    Of equally near examples the one in the lower row comes first.

    Parameters
    ----------
    a, b : Codes
        n rows each, of the same examples in the same order.
    k : int
        Number of neighbours, less than n.

    >>> codes = Codes.from_bits([[0, 0], [0, 0], [1, 1], [1, 1]])
    >>> common_neighbours(codes, Codes.from_bits([[0, 0], [1, 1], [1, 1], [0, 0]]), 1).tolist()
    [0, 0, 0, 0]
    """
    rows = np.arange(len(a))
    neighbours = np.concatenate([nearest_others(codes, rows, k)[1] for codes in (a, b)], axis=1)
    neighbours.sort(axis=1)
    return np.asarray((neighbours[:, 1:] == neighbours[:, :-1]).sum(axis=1), np.int64)


def _comparison(
    first: Observation, second: Observation, agreements: Sequence[LayerAgreement], shared: Shares, k: int
) -> ModelComparison:
    n, order = len(shared), np.argsort(shared, kind="stable")
    digests = [observation.codes.provenance.parameters_digest for observation in (first, second)]
    second_predicted, class_names = _second_predictions(first, second)
    predicted = [first.predictions, second_predicted]
    labels = first.codes.labels
    names = [{item.name: None for item in observation.codes.layers} for observation in (first, second)]
    unshared = [name for name in names[0] | names[1] if name not in names[0] or name not in names[1]]
    notes = [f"Left out, because only one of the models has it: {', '.join(unshared)}."] if unshared else []
    for place, observation in (("first", first), ("second", second)):
        notes += [f"The {place}: {note}." for note in output_notes(observation.output, observation.unsteady)]
        if observation.has_unknown_labels:
            notes.append(f"The {place} has {observation.classes} classes, fewer than the labels: there is no accuracy.")
    origins = [observation.codes.provenance for observation in (first, second)]
    notes += [f"{item.model}: {item.left_out_note}." for item in origins if item.left_out]
    if digests[0] == digests[1]:
        notes.append("The two models have the same parameters.")
    return ModelComparison(
        models=(
            f"{first.codes.provenance.model} ({digests[0][:8]})",
            f"{second.codes.provenance.model} ({digests[1][:8]})",
        ),
        k=k,
        chance=k / (n - 1),
        layers=tuple(agreements),
        same_predictions=(
            None if predicted[0] is None or predicted[1] is None else float((predicted[0] == predicted[1]).mean())
        ),
        accuracy=(first.accuracy, _second_accuracy(second, second_predicted, labels, first.codes.class_names)),
        ids=first.codes.ids[order],
        rows=order,
        overlap=shared[order],
        labels=None if labels is None else labels[order],
        predicted_a=None if predicted[0] is None else predicted[0][order],
        predicted_b=None if predicted[1] is None else predicted[1][order],
        notes=tuple(notes),
        outputs=(first.codes.provenance.output, second.codes.provenance.output),
        class_names=class_names or (),
    )
