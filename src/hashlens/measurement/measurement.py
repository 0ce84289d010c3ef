"""Measurement: the result of :func:`hashlens.measure`."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from rich.console import Group, RenderableType
from rich.text import Text

from hashlens.codes.provenance import Provenance
from hashlens.data.examples import Examples
from hashlens.measurement.exhibits import Exhibits
from hashlens.measures import (
    BitsToDeterminism,
    Categorization,
    CollisionGroup,
    Control,
    Determinism,
    Floor,
    Regime,
    Separation,
)
from hashlens.report.figures import Figure
from hashlens.report.page import Page
from hashlens.result import Result, Split
from hashlens.tables import Table, number, table


@dataclass(frozen=True)
class LayerMeasurement(Result):
    """Measures of the code of a single layer.

    Attributes
    ----------
    name, gate, soft : str, str, bool
        Name and gate of the layer, as in :class:`~hashlens.codes.layers.Layer`.
    bits : int
        Number of bits kept of the layer.
    redundancy_ratio : Split
        Redundancy ratio of the layer's code.
    knn : float
        Test accuracy of K-NN on at most 1,024 sampled bits of the layer.
    within, between : float
        Mean Hamming distance within and between classes on test, as a share of the bits.
    """

    name: str
    gate: str
    soft: bool
    bits: int
    redundancy_ratio: Split[float]
    knn: float
    within: float
    between: float


def untrained_codes_as_accurate(codes: Categorization, controls: dict[str, Control]) -> Iterator[tuple[str, float]]:
    """Yield the encoders without training whose codes are at least as accurate as `codes`, and their accuracies.

    The accuracy of codes is that of the better of K-NN and logistic regression.
    """
    for name, encoder in (("untrained", "the untrained network"), ("random_hyperplanes", "random hyperplanes")):
        control = controls.get(name)
        if control is not None and control.available:
            accuracy = max(control.knn or 0.0, control.logistic or 0.0)
            if accuracy >= max(codes.knn, codes.logistic):
                yield encoder, accuracy


@dataclass(frozen=True)
class Measurement(Result):
    """Result of :func:`measure`: all measures of a network. It prints as tables.

    Attributes
    ----------
    model : str
        Class name of the network.
    examples : Split of int
        Number of examples.
    code_bits : int
        Number of bits of a whole code.
    informative_bits : int
        Number of bits, of those kept, that are not constant over train and test together. All bits are kept unless
        `notes` say otherwise.
    soft : bool
        Whether some gate is smooth; then equal codes do not mean the same linear region.
    redundancy_ratio : Split of float
        Redundancy ratio R = (n - distinct codes) / n.
    determinism : Split of Determinism
        Determinism, with collision probability, collision groups, and R rarefied to the same n.
    bits_to_determinism : BitsToDeterminism
        Smallest number of random bits at which R on train is at most 0.01.
    categorization : Categorization
        Accuracies of K-NN, logistic regression and K-Means on the codes alone.
    network_accuracy : Split of float or None
        Accuracy of the network; None if its output is not a row of class scores, or a label is beyond its classes.
    controls : dict of str to Control
        Controls by name: ``untrained``, ``random_hyperplanes``, ``raw_inputs``, ``penultimate``.
    random_inputs : Control
        R on uniform random inputs, as many as test examples.
    conflicts : Split of tuple of CollisionGroup
        Groups of examples that share a code but have different labels.
    separation : Separation
        Hamming distances within and between classes, on test.
    floor : Floor or None
        Number of bits that change when the same examples are encoded in other batches.
    layers : tuple of LayerMeasurement
        Measures of each layer; empty for a code of one layer.
    regime : Regime
        Regime, by the thresholds that were passed to :func:`measure`, or by those of hashlens.
    notes : tuple of str
        Remarks on what was sampled or left out, and why.
    provenance : Split of Provenance
        Network, data and machine that the codes of each set come from.
    exhibits : Exhibits or None
        Examples to inspect: a map of the codes, collisions, labels to check, novel examples.
    command : str
        The call, or the command line, that made the measurement.
    data : Split of Examples or None
        The measured examples, for the thumbnails of a page; not part of :meth:`to_dict`.
    """

    schema_version: ClassVar[int] = 1

    model: str
    examples: Split[int]
    code_bits: int
    informative_bits: int
    soft: bool
    redundancy_ratio: Split[float]
    determinism: Split[Determinism]
    bits_to_determinism: BitsToDeterminism
    categorization: Categorization
    network_accuracy: Split[float | None]
    controls: dict[str, Control]
    random_inputs: Control
    conflicts: Split[tuple[CollisionGroup, ...]]
    separation: Separation
    floor: Floor | None
    layers: tuple[LayerMeasurement, ...]
    regime: Regime
    notes: tuple[str, ...]
    provenance: Split[Provenance]
    exhibits: Exhibits | None = None
    command: str = ""
    data: Split[Examples] | None = field(default=None, repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain values; of collision groups only those with conflicting labels, for size."""
        body = Result.to_dict(replace(self, data=None))
        del body["data"]
        for split in body["determinism"].values():
            del split["groups"]
        return body

    def tables(self) -> tuple[Table, ...]:
        """Return the tables to print: codes, categorization beside its controls, layers, and the floor."""
        return tuple(
            filter(None, (self._codes_table(), self._accuracy_table(), self._layer_table(), self._floor_table()))
        )

    def _codes_table(self) -> Table:
        ratio, result = self.redundancy_ratio, self.determinism
        groups = Split(len(self.conflicts.train), len(self.conflicts.test))
        fewest = self.bits_to_determinism.bits
        rows = [
            ("examples", number(self.examples.train), number(self.examples.test)),
            ("redundancy ratio R", number(ratio.train), number(ratio.test)),
            (f"R of {number(result.test.rarefied_to)} examples", number(result.train.rarefied_ratio),
             number(result.test.rarefied_ratio)),
            ("collision probability", f"{result.train.collision_probability:.3g}",
             f"{result.test.collision_probability:.3g}"),
            ("codes shared by several classes", number(groups.train), number(groups.test)),
            ("network accuracy", number(self.network_accuracy.train), number(self.network_accuracy.test)),
        ]  # fmt: skip
        enough = (
            f"{fewest:,} random bits give R ≤ 0.01" if fewest is not None else "even all bits leave R > 0.01 on train"
        )
        kind = "soft codes" if self.soft else "codes"
        total = self.provenance.train.sampled_from
        drawn = f" drawn from {total:,}" if total is not None and total > self.code_bits else ""
        title = f"{self.model}: {kind} of {self.code_bits:,} bits{drawn}, {self.informative_bits:,} of them informative"
        read = f" Output read as {self.provenance.train.output}." if self.provenance.train.output else ""
        return table(title, ("", "train", "test"), rows, f"{enough}.{read}")

    def _accuracy_table(self) -> Table:
        codes = self.categorization
        rows = [
            ("codes", number(self.redundancy_ratio.train), number(self.redundancy_ratio.test), number(codes.knn),
             number(codes.logistic), number(codes.kmeans_purity.test), number(codes.kmeans_hungarian.test)),
        ]  # fmt: skip
        reasons = []
        for control in self.controls.values():
            ratio = control.redundancy_ratio or Split(None, None)
            name = control.name.replace("_", " ")
            rows.append((name, number(ratio.train), number(ratio.test), number(control.knn), number(control.logistic),
                         "–", "–"))  # fmt: skip
            if not control.available:
                reasons.append(f"{name}: {control.reason}.")
        noise = self.random_inputs.redundancy_ratio
        if noise is not None:
            rows.append(("random inputs", "–", number(noise.test), "–", "–", "–", "–"))
        columns = ("", "R train", "R test", "K-NN", "logistic", "purity", "Hungarian")
        methods = (
            f"Logistic regression: {codes.logistic_method}. K-Means: clusters are assigned to classes by "
            "majority (purity) or one to one (Hungarian)."
        )
        title = "Categorization on test" + (", beside its controls" if self.controls else "")
        return table(title, columns, rows, " ".join([methods, *codes.notes, *reasons]))

    def _layer_table(self) -> Table | None:
        if not self.layers:
            return None
        rows = [
            (
                layer.name,
                layer.gate + (" (soft)" if layer.soft else ""),
                number(layer.bits),
                number(layer.redundancy_ratio.train),
                number(layer.redundancy_ratio.test),
                number(layer.knn),
                number(layer.within),
                number(layer.between),
            )
            for layer in self.layers
        ]
        columns = ("layer", "gate", "bits", "R train", "R test", "K-NN", "within", "between")
        return table(
            "Layer by layer", columns, rows, "Within and between classes: mean Hamming distance / bits, on test."
        )

    def _floor_table(self) -> Table | None:
        if self.floor is None:
            return None
        note = (
            f"{self.floor.n} test examples encoded again, shuffled, one at a time: differences below this are rounding."
        )
        return table("Floor: the effect of rounding", ("", "test"), self.floor.flip_rows(), note)

    def __rich__(self) -> RenderableType:
        verdict = Text.assemble((self.regime.verdict, "bold"), f": {self.regime.reason}")
        notes = [Text(f"note: {note}", style="dim") for note in self.notes]
        return Group(*self.tables(), verdict, *notes)

    def figures(self) -> tuple[Figure, ...]:
        """Return figures: accuracies and redundancy beside controls, layers, distances, bits to determinism, map."""
        from hashlens.measurement.figures import measurement_figures

        return measurement_figures(self)

    def page(self) -> Page:
        """Return the page of the measurement: the verdict, the numbers beside their controls, and the examples."""
        from hashlens.measurement.page import measurement_page

        return measurement_page(self)
