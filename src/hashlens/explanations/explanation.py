"""Explanation: the result of every method."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Group, RenderableType
from rich.text import Text

from hashlens.arguments import excerpt, is_whole, require_whole
from hashlens.errors import ExplainError, ReportError
from hashlens.files import atomic_write
from hashlens.plain import fields_from_plain, fields_to_plain
from hashlens.report.figures import Figure
from hashlens.report.page import Page
from hashlens.result import Result
from hashlens.tables import table

Array = npt.NDArray[Any]
SHOWN = 10
KINDS = ("image", "signal", "spectrogram", "table", "text")
ARRAYS = ("target", "prediction", "values", "segments", "image", "inputs")
MEMBER = "explanation"
"""Name of the JSON entry of a saved explanation, which holds everything but the arrays."""


@dataclass(frozen=True)
class Interaction:
    """Interaction term: a set of features and their joint weight."""

    features: tuple[int, ...]
    weight: float


@dataclass(frozen=True)
class Rule:
    """Rule: conditions under which the prediction stays the same.

    Attributes
    ----------
    conditions : tuple of str
        The conditions in words; an example satisfies the rule if all are true.
    features : tuple of int
        Index of the feature of each condition.
    precision, coverage : float
        Share of held-out examples satisfying the rule that have the same prediction, and share of all examples that
        satisfy it.
    interval : tuple of float
        Confidence interval of the precision.
    confidence : float
        Confidence level of the interval.
    """

    conditions: tuple[str, ...]
    features: tuple[int, ...]
    precision: float
    coverage: float
    interval: tuple[float, float]
    confidence: float

    def __str__(self) -> str:
        return " and ".join(self.conditions) or "always"


@dataclass(frozen=True, eq=False)
class Explanation(Result):
    """Explanation of a network's predictions for n examples, or the result of a global method.

    Attributes
    ----------
    method, kind : str
        Name of the method, and kind of the inputs: ``image``, ``signal``, ``spectrogram``, ``table`` or ``text``.
    target : numpy.ndarray
        ``(n,)`` int64: explained class of each example; empty for global methods that have none.
    prediction : numpy.ndarray
        ``(n,)``: score of that class, in the unit that `diagnostics["output"]` names.
    values : numpy.ndarray
        Attribution of each part of the input; positive values support the target. The shape is that of the inputs;
        ``(n, h, w)`` for CAMs of images, ``(n, l)`` for CAMs of signals; or ``(n, d)`` with one value per feature.
    features : tuple of str
        Names of the d features; empty where the values have the shape of the input.
    segments : numpy.ndarray or None
        Feature of each position, if features are parts of an image or spectrogram, ``(h, w)``, or of a signal,
        ``(c, l)``.
    interactions : tuple of Interaction
        Interaction terms of several features.
    rule : Rule or None
        Rule of an anchor; None for other methods.
    image : numpy.ndarray or None
        ``(n, c, h, w)``, or the shape of the inputs: input that the method generated, for methods that do.
    inputs : numpy.ndarray or None
        ``(n, ...)``: inputs that are explained; None for texts.
    texts : tuple of str
        Texts that are explained.
    diagnostics : dict
        Measures of how far the explanation can be trusted, such as its completeness gap or R2. The documentation's page
        on explanations lists all keys with their units. For several examples, a value per example is a list.
    notes : tuple of str
        Caveats about the explanation.
    class_names : tuple of str
        Names of the classes; empty where they have none.
    output : str
        How the output of the model was read, and the reason.
    """

    method: str
    kind: str
    target: Array
    prediction: Array
    values: Array
    features: tuple[str, ...] = ()
    segments: Array | None = None
    interactions: tuple[Interaction, ...] = ()
    rule: Rule | None = None
    image: Array | None = None
    inputs: Array | None = None
    texts: tuple[str, ...] = ()
    diagnostics: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    class_names: tuple[str, ...] = ()
    output: str = ""

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, row: int) -> "Explanation":
        """Return the explanation of one example."""
        if not is_whole(row):
            raise ExplainError(f"examples are taken one by one, by number, received {excerpt(row)}")
        index = range(len(self))[row]

        def part(array: Any) -> Any:
            return array[index : index + 1] if array is not None and len(array) == len(self) else array

        return replace(
            self, target=part(self.target), prediction=part(self.prediction), values=part(self.values),
            image=part(self.image), inputs=part(self.inputs), texts=self.texts[index : index + 1],
            diagnostics=self._diagnostics(index),
        )  # fmt: skip

    def _diagnostics(self, row: int) -> dict[str, Any]:
        """Return the diagnostics of one row; of a list with an entry per example, the entry of this row."""
        n = len(self)
        return {
            name: value[row] if n > 1 and isinstance(value, list) and len(value) == n else value
            for name, value in self.diagnostics.items()
        }

    def class_name(self, row: int = 0) -> str:
        """Return the name of the class explained in a row, or its number."""
        if not len(self.target):
            raise ExplainError(f"{self.method} explains no class here")
        return self.name_of(int(self.target[self._row(row)]))

    def name_of(self, number: int) -> str:
        """Return the name of a class by its number."""
        if 0 <= number < len(self.class_names):
            return self.class_names[number]
        return f"{'output' if self.output.startswith('regression') else 'class'} {number}"

    @property
    def unit(self) -> str:
        """Unit of the prediction: a score, a probability or a value."""
        return "value" if self.output.startswith("regression") else str(self.diagnostics.get("output", "score"))

    def top(self, k: int = SHOWN, row: int = 0) -> tuple[tuple[str, float], ...]:
        """Return the k parts of a row with the largest absolute values: names of features, or positions in inputs."""
        require_whole(ExplainError, "k", k)
        values = np.asarray(self.values[self._row(row)], np.float64)
        order = np.argsort(-np.abs(values), axis=None, kind="stable")[:k]
        return tuple((self._name(i, values.shape), float(values.flat[i])) for i in order.tolist())

    def _row(self, row: int) -> int:
        if not is_whole(row) or not -len(self) <= row < len(self):
            raise ExplainError(f"row must be a whole number, 0 to {len(self) - 1}, received {excerpt(row)}")
        return int(row)

    def _name(self, index: int, shape: Sequence[int]) -> str:
        if self.features:
            return self.features[index]
        places = tuple(int(place) for place in np.unravel_index(index, tuple(shape)))
        return str(places if len(places) > 1 else places[0])

    def score(self, model: Any, metrics: str | Sequence[str] = "standard", **options: Any) -> dict[str, float]:
        """Return metrics of the quality of the explanation; see :func:`hashlens.explanations.score_explanation`."""
        from hashlens.explanations.quality import score_explanation

        return score_explanation(self, model, metrics, **options)

    def figures(self) -> tuple[Figure, ...]:
        """Return figures of the explanation: saliency over the image, bars, highlighted text, or generated images."""
        from hashlens.explanations.figures import explanation_figures

        return explanation_figures(self)

    def page(self) -> Page:
        """Return the page of the explanation, titled with its method and the explained class."""
        from hashlens.explanations.page import explanation_page

        return explanation_page(self)

    @property
    def shortfall(self) -> str:
        """Text that says that the rule does not reach the required precision; empty if it does."""
        threshold = self.diagnostics.get("threshold")
        if self.rule is None or threshold is None:
            return ""
        if self.rule.precision < threshold:
            return f": below the required {threshold:.0%}"
        return "" if self.diagnostics.get("reached", True) else f": not shown to reach the required {threshold:.0%}"

    def __rich__(self) -> RenderableType:
        parts: list[RenderableType] = []
        if self.rule is not None:
            low, high = self.rule.interval
            outcome = f"{self.class_name()} in {self.rule.precision:.1%} of cases ({low:.1%} to {high:.1%})"
            parts.append(Text(f"{self.rule}: {outcome}, covers {self.rule.coverage:.1%}{self.shortfall}"))
        elif self.values.size and self.image is None:
            rows = [(name, f"{value:.4g}") for name, value in self.top()]
            explained_output = (
                f"{self.class_name()}, {self.unit} {float(self.prediction[0]):.4g}" if len(self.target) else "a unit"
            )
            more = f"; the first of {len(self)} examples" if len(self) > 1 else ""
            parts.append(
                table(
                    f"{self.method} for {explained_output}{more}",
                    ("part", "change" if self.method == "contrast" else "value"),
                    rows,
                )
            )
        for interaction in self.interactions[:SHOWN]:
            names = " and ".join(self.features[feature] for feature in interaction.features)
            parts.append(Text(f"{names} together: {interaction.weight:.4g}"))
        shown = self._diagnostics(0) if len(self) else self.diagnostics
        numbers = [(name.replace("_", " "), _short(value)) for name, value in shown.items()]
        if numbers:
            parts.append(table("Diagnostics", ("", ""), numbers, names=2))
        if self.output:
            parts.append(Text(f"Output read as {self.output}."))
        return Group(*parts, *(Text(f"note: {note}", style="dim") for note in self.notes))

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain values; ``kind`` names the kind of result, so the kind of the inputs is ``of``."""
        return self._as_dict()

    def _as_dict(self, without: Collection[str] = ()) -> dict[str, Any]:
        left: dict[str, Any] = dict.fromkeys(without)
        body = {name: value for name, value in fields_to_plain(replace(self, **left)).items() if name not in left}
        return {**body, "kind": type(self).__name__, "schema_version": self.schema_version, "of": self.kind}

    @classmethod
    def from_dict(cls, body: dict[str, Any]) -> "Explanation":
        """Return the explanation from the values that :meth:`to_dict` returned; missing arrays are empty."""
        explanation: Explanation = fields_from_plain(cls, {**body, "kind": body.get("of")})
        return explanation

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the explanation to one file ``.npz``, which :meth:`load` reads; return its path.

        Raises
        ------
        OutputError
            If the file exists and `overwrite` is false, or cannot be written.
        """
        arrays = {part.name: getattr(self, part.name) for part in fields(self)}
        arrays = {name: value for name, value in arrays.items() if isinstance(value, np.ndarray)}
        arrays[MEMBER] = np.frombuffer(json.dumps(self._as_dict(arrays)).encode(), np.uint8)
        with atomic_write(path, overwrite=overwrite) as partial, partial.open("wb") as file:
            np.savez_compressed(file, **arrays)
        return Path(path)

    @classmethod
    def load(cls, path: str | Path) -> "Explanation":
        """Read an explanation that :meth:`save` wrote.

        Raises
        ------
        ExplainError
            If the file does not hold an explanation, or has a newer schema.
        """
        try:
            with np.load(path, allow_pickle=False) as archive:
                body = json.loads(bytes(archive[MEMBER]))
                arrays = {name: archive[name] for name in archive.files if name != MEMBER}
                version = int(body["schema_version"])
        except FileNotFoundError as error:
            raise ExplainError(f"{path}: no such file") from error
        except Exception as error:
            raise ExplainError(f"{path} is not a saved explanation: {type(error).__name__}") from error
        if version > cls.schema_version:
            raise ExplainError(f"{path} was written by a newer hashlens: install that")
        try:
            explanation = replace(cls.from_dict(body), **arrays)
        except (ReportError, TypeError) as error:
            raise ExplainError(f"{path} is not a saved explanation: {error}") from error
        if wrong := explanation._inconsistency():
            raise ExplainError(f"{path} is not a saved explanation: {wrong}")
        return explanation

    def _inconsistency(self) -> str:
        """Return a message on what is inconsistent in the explanation; empty if it is consistent."""
        if self.kind not in KINDS:
            return f"no kind {excerpt(self.kind)}"
        values = {part.name: getattr(self, part.name) for part in fields(self)}
        arrays = {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
        if wrong := [name for name, value in arrays.items() if name not in ARRAYS or value.dtype.kind not in "fiub"]:
            return f"{wrong[0]} is not an array of numbers"
        if self.values.ndim < 2:
            return "values must be (n, ...)"
        lengths = {
            name: len(value) for name, value in arrays.items() if name != "segments" and value.ndim and len(value)
        }
        lengths |= {"texts": len(self.texts)} if self.texts else {}
        if wrong := [name for name, length in lengths.items() if length != len(self)]:
            return f"{wrong[0]} are {lengths[wrong[0]]}, values {len(self)}"
        if self.features and self.values[0].size != len(self.features):
            return f"features are {len(self.features)}, values of each {self.values[0].size}"
        return ""


def _short(value: Any) -> str:
    if isinstance(value, list | tuple):
        more = f" and {len(value) - SHOWN:,} more" if len(value) > SHOWN else ""
        return ", ".join(map(_short, value[:SHOWN])) + more
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_short(item)}" for name, item in value.items())
    return f"{value:.4g}" if isinstance(value, float) else str(value)
