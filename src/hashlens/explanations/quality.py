"""hl.compare_explanations: how good explanations are, beside controls that know nothing."""

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from rich.console import RenderableType

from hashlens.arguments import require_whole
from hashlens.codes.borrow import borrowed, unwrap
from hashlens.errors import ExplainError, HashlensError, nearest
from hashlens.explanations import faithfulness as faithful
from hashlens.explanations.asked import Subject
from hashlens.explanations.explain import explain
from hashlens.explanations.explanation import Explanation
from hashlens.explanations.methods import find_method
from hashlens.progress import bar
from hashlens.result import Result
from hashlens.seeds import torch_generator, torch_seed
from hashlens.tables import number, table

if TYPE_CHECKING:
    from hashlens.report.figures import Figure

Tensor = torch.Tensor
Floats = npt.NDArray[np.float64]
NEARBY = 0.02
"""How far inputs are moved for sensitivity, as a share of an example's range."""
MOVED = 5
SEEDS = 5
CONTROLS = ("random", "magnitude", "edges")
LOWER, HIGHER = "lower", "higher"
METRICS = {
    "deletion_mean": LOWER, "insertion_mean": HIGHER, "deletion_blur": LOWER, "insertion_blur": HIGHER,
    "infidelity": LOWER, "sensitivity_max": LOWER, "mprt": LOWER, "region_stability": LOWER,
    "completeness_gap": LOWER, "rank_stability": HIGHER, "seconds": LOWER, "model_calls": LOWER,
}  # fmt: skip
"""What is measured, and which way is better."""
CHEAP = ("deletion_mean", "insertion_mean", "deletion_blur", "insertion_blur", "infidelity", "completeness_gap")
"""What can be said of an explanation without explaining anew."""
DRAWN = ("smooth_grad", "smooth_guided_grad", "lime", "cle", "kernel_shap", "random")
"""Methods that draw random numbers; all others are the same for every seed."""


@dataclass(frozen=True, eq=False)
class ExplanationComparison(Result):
    """How good explanations of n examples are.

    Attributes
    ----------
    methods : tuple of str
        As asked for, then the controls: a random order, the size of the input, its edges.
    metrics : tuple of str
        What was measured.
    values : numpy.ndarray
        float64 ``(methods, metrics, n)``; NaN where a method claims nothing, or nothing can be measured.
    n : int
        Examples.
    notes : tuple of str
        What was left out, and why.
    """

    methods: tuple[str, ...]
    metrics: tuple[str, ...]
    values: Floats
    n: int
    notes: tuple[str, ...] = ()

    def mean(self, method: str, metric: str) -> float:
        """Return the mean over examples."""
        return float(_means(self.values[self._at(method, metric)][None])[0])

    def standard_error(self, method: str, metric: str) -> float:
        """Return the standard error of the mean over examples; NaN for one example."""
        values = self.values[self._at(method, metric)]
        return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")

    def leaders(self, metric: str) -> tuple[str, ...]:
        """Return the best methods by a metric: the best mean, and all less than a standard error of the gap below it.

        Differences are paired by example. Controls are left out; none where nothing is known.
        """
        at = self.metrics.index(metric)
        rows = [row for row, name in enumerate(self.methods) if name not in CONTROLS]
        means = _means(self.values[rows, at])
        if np.isnan(means).all():
            return ()
        best = int(np.nanargmin(means) if METRICS[metric] == LOWER else np.nanargmax(means))
        ahead = self.values[rows, at] - self.values[rows[best], at]
        spread = ahead.std(axis=1, ddof=1) / np.sqrt(self.n) if self.n > 1 else np.full(len(rows), np.inf)
        close = ~np.isnan(means) & ((np.abs(_means(ahead)) <= spread) | (np.arange(len(rows)) == best))
        return tuple(self.methods[row] for row, kept in zip(rows, close, strict=True) if kept)

    def _at(self, method: str, metric: str) -> tuple[int, int]:
        for name, known in ((method, self.methods), (metric, self.metrics)):
            if name not in known:
                raise ExplainError(f"{name!r} was not compared: {nearest(name, known)}")
        return self.methods.index(method), self.metrics.index(metric)

    def __rich__(self) -> RenderableType:
        led = {metric: self.leaders(metric) for metric in self.metrics}
        rows = []
        for method in self.methods:
            cells = []
            for metric in self.metrics:
                value = self.mean(method, metric)
                shown = "–" if np.isnan(value) else number(value, 3)
                cells.append(shown + ("*" if method in led[metric] else ""))
            rows.append((method, *cells))
        columns = (
            "",
            *(f"{metric.replace('_', ' ')} {'↓' if METRICS[metric] == LOWER else '↑'}" for metric in self.metrics),
        )
        note = f"Means over {self.n} examples; * the best, and all within one standard error of it. " + " ".join(
            self.notes
        )
        return table("Explanations compared", columns, rows, note.strip())

    def figures(self) -> "tuple[Figure, ...]":
        """Return bars for each metric, with one standard error to each side."""
        from hashlens.report.explanation import comparison_figures

        pictures: tuple[Figure, ...] = comparison_figures(self)
        return pictures


def _means(values: Floats) -> Floats:
    """Return means over the last axis without the warning that all NaN would give."""
    known = ~np.isnan(values)
    counts = known.sum(axis=-1)
    sums = np.where(known, values, 0).sum(axis=-1)
    found: Floats = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return found


def compare_explanations(
    model: torch.nn.Module | Callable[[Any], Any],
    x: Any,
    methods: Sequence[str] | Mapping[str, Mapping[str, Any]] = ("gradient", "integrated_gradients", "smooth_grad"),
    metrics: str | Sequence[str] = "standard",
    *,
    target: Any = None,
    batch_size: int = 64,
    seed: int = 0,
    **shared: Any,
) -> ExplanationComparison:
    """Compare explanations of the same examples by what they are good for, beside controls that know nothing.

    Deletion and insertion: the probability of the class as places go or come, most important first (Petsiuk et al.,
    2018), with the channel means and with a blurred image in their stead. Infidelity (Yeh et al., 2019), as a share of
    saying nothing. Sensitivity: the largest relative change of the values nearby. MPRT: rank correlation of the values
    with those of the same network with all weights drawn anew, top down (Adebayo et al., 2018): near 0 is well, 1 means
    that the network plays no part. Region stability: the largest relative change inside the linear region, where the
    network is one affine map. Completeness gap, where sums are claimed. Rank stability over 5 seeds. Cost.

    Parameters
    ----------
    model : torch.nn.Module or callable
        As :func:`hashlens.explain` takes it.
    x : array
        ``(n, ...)``: images or rows of a table.
    methods : sequence of str, or mapping of str to dict
        Names, or names with options of their own.
    metrics : "standard", "all" or sequence of str
        ``standard`` leaves out what takes most explanations anew: rank stability and region stability.
    target : optional
        The class of each; by default as predicted.
    batch_size, seed : int
        As :func:`hashlens.explain` takes them.
    **shared
        For every method: ``background``, ``layer``, ``class_names`` ...

    Returns
    -------
    ExplanationComparison

    Raises
    ------
    ExplainError
        If a method or metric is not known, or the examples are texts.
    """
    given = dict(methods) if isinstance(methods, Mapping) else {name: {} for name in methods}
    if isinstance(methods, str) or not given:
        raise ExplainError("methods must be names, at least one, as ['gradient', 'integrated_gradients']")
    asked = {find_method(name).name: dict(options) for name, options in given.items()}
    wanted = _metrics(metrics)
    require_whole(ExplainError, "seed", seed, least=0)
    comparing = _Comparing(model, x, target, batch_size, seed, shared)
    controls = tuple(name for name in CONTROLS if name != "edges" or comparing.x.dim() == 4)
    names = (*asked, *controls)
    values = np.full((len(names), len(wanted), len(comparing.x)), np.nan)
    notes: list[str] = []
    with bar("comparing", len(names)) as advance:
        for row, name in enumerate(names):
            make = _control(name) if name in controls else comparing.explainer(name, asked[name])
            found = comparing.measured(name, make, wanted, notes)
            for column, metric in enumerate(wanted):
                values[row, column] = found[metric]
            advance(name)
    if isinstance(metrics, str):
        # Rows of a table have no blurred image: what cannot be said of any is left out where nobody asked for it.
        said = ~np.isnan(values).all(axis=(0, 2))
        wanted, values = tuple(np.array(wanted)[said].tolist()), values[:, said]
    return ExplanationComparison(names, wanted, values, len(comparing.x), tuple(dict.fromkeys(notes)))


def score_explanation(
    explanation: Explanation, model: Any, metrics: str | Sequence[str] = "standard"
) -> dict[str, float]:
    """Return what can be said of one explanation without explaining anew: means over its examples by metric.

    Raises
    ------
    ExplainError
        If it was made without inputs, or a metric needs the method to be run again.
    """
    wanted = CHEAP if metrics == "standard" else _metrics(metrics)
    again = [metric for metric in wanted if metric not in CHEAP]
    if again:
        raise ExplainError(f"{again[0]} needs the method to be run again: use compare_explanations")
    if explanation.inputs is None or explanation.image is not None:
        raise ExplainError(f"an explanation by {explanation.method} cannot be scored: it names no parts of an input")
    comparing = _Comparing(model, explanation.inputs, explanation.target, 64, 0, {})
    found = comparing.measured(explanation.method, lambda *_: explanation, wanted, [])
    return {metric: float(_means(found[metric][None])[0]) for metric in wanted}


def _metrics(metrics: str | Sequence[str]) -> tuple[str, ...]:
    if metrics == "all":
        return tuple(METRICS)
    if metrics == "standard":
        return tuple(metric for metric in METRICS if metric not in ("rank_stability", "region_stability"))
    wanted = (metrics,) if isinstance(metrics, str) else tuple(metrics)
    for metric in wanted:
        if metric not in METRICS:
            raise ExplainError(f"no metric {metric!r}: {nearest(metric, METRICS)}")
    return wanted


Explainer = Callable[[Any, Tensor, int], Explanation]
"""Model, inputs and seed to an explanation."""


class _Comparing:
    """What all metrics need: the network, the examples, and their classes."""

    def __init__(self, model: Any, x: Any, target: Any, batch_size: int, seed: int, shared: dict[str, Any]) -> None:
        first = (
            explain(model, x, "gradient", target=target, batch_size=batch_size, **_only(shared, "kind", "class_names"))
            if isinstance(model, torch.nn.Module)
            else explain(model, x, "kernel_shap", target=target, batch_size=batch_size, **shared)
        )
        if first.inputs is None:
            raise ExplainError("texts are explained one by one, not compared: give images or rows of a table")
        self.model, self.shared, self.batch_size, self.seed = model, shared, batch_size, seed
        self.module = unwrap(model) if isinstance(model, torch.nn.Module) else None
        self.subject = Subject(self.module or model, self.module, batch_size)
        self.x = torch.as_tensor(first.inputs).to(self.subject.like)
        self.target = torch.as_tensor(first.target)

    def explainer(self, name: str, options: dict[str, Any]) -> Explainer:
        """Return the function that explains by a method, always for the same classes."""
        single = find_method(name).group == "perturbation" and self.x.dim() == 4

        def run(model: Any, x: Tensor, seed: int) -> Explanation:
            common = {"batch_size": self.batch_size, "seed": seed, **self.shared, **options}
            if not single:
                return explain(model, x, name, target=self.target[: len(x)].numpy(), **common)
            rows = [explain(model, x[at : at + 1], name, target=int(self.target[at]), **common) for at in range(len(x))]
            spreads = [faithful.spread(row, tuple(x.shape[1:])) for row in rows]
            gaps = [row.diagnostics.get("completeness_gap", float("nan")) for row in rows]
            return replace(rows[0], values=torch.cat(spreads).numpy(), segments=None, features=(),
                           target=self.target[: len(x)].numpy(), diagnostics={"completeness_gap": gaps})  # fmt: skip

        return run

    def measured(self, name: str, make: Explainer, wanted: Sequence[str], notes: list[str]) -> dict[str, Floats]:
        """Return each metric of each example."""
        n = len(self.x)
        calls = self.subject.calls
        started = time.perf_counter()
        explanation = make(self.model, self.x, self.seed)
        seconds = (time.perf_counter() - started) / n
        values = faithful.spread(explanation, tuple(self.x.shape[1:]))
        found: dict[str, Floats] = {}
        with borrowed(self.module) if self.module is not None else torch.no_grad():
            for metric in wanted:
                found[metric] = self._one(metric, name, make, explanation, values, notes)
        made = explanation.diagnostics.get("model_calls", self.subject.calls - calls if name in CONTROLS else np.nan)
        if "seconds" in found:
            found["seconds"] = np.full(n, seconds)
        if "model_calls" in found:
            found["model_calls"] = np.full(n, 0.0 if name in CONTROLS else float(made))
        return found

    def _one(
        self, metric: str, name: str, make: Explainer, explanation: Explanation, values: Tensor, notes: list[str]
    ) -> Floats:
        n = len(self.x)
        unknown = np.full(n, np.nan)
        if metric.startswith(("deletion", "insertion")):
            how, _, baseline = metric.partition("_")
            if baseline == "blur" and self.x.dim() != 4:
                return unknown
            gone = faithful.baseline_inputs(self.x, baseline)
            curve = faithful.removal_curve(self.subject, self.x, self.target, values, gone, how == "insertion")
            return faithful.area(curve)
        if metric == "infidelity":
            return faithful.infidelity(self.subject, self.x, self.target, values, self.seed)
        if metric == "completeness_gap":
            gap = explanation.diagnostics.get("completeness_gap")
            return unknown if gap is None else np.broadcast_to(np.asarray(gap, np.float64), (n,)).copy()
        if metric == "sensitivity_max":
            return self._moved(make, values, NEARBY * _range(self.x), "sensitivity")
        if metric == "rank_stability":
            return np.ones(n) if name not in DRAWN else self._stable(make)
        if self.module is None:
            return unknown
        if metric == "mprt":
            return self._randomised(make, values)
        if metric == "region_stability":
            return self._inside(make, values, notes)
        return unknown

    def _moved(self, make: Explainer, values: Tensor, reach: Tensor, key: str) -> Floats:
        """Return the largest relative change of values over moves of each example by at most `reach` ``(n,)``."""
        across = (-1, *[1] * (self.x.dim() - 1))
        size = values.flatten(1).norm(dim=1)
        worst = torch.zeros(len(self.x), dtype=torch.float64)
        for step in range(MOVED):
            drawn = torch.rand(self.x.shape, generator=torch_generator(self.seed, key, step)).to(self.x) * 2 - 1
            moved = faithful.spread(
                make(self.model, self.x + reach.reshape(across) * drawn, self.seed), tuple(self.x.shape[1:])
            )
            change = (moved - values).flatten(1).norm(dim=1)
            worst = torch.maximum(worst, torch.where(size > 0, change / size, (change > 0).double()))
        return worst.numpy()

    def _inside(self, make: Explainer, values: Tensor, notes: list[str]) -> Floats:
        from hashlens.regions.at import at

        assert self.module is not None
        try:
            radius = at(self.module, self.x).radius(np.inf).distance
        except HashlensError as error:
            notes.append(f"No region stability: {error}.")
            return np.full(len(self.x), np.nan)
        # Half the way to the nearest boundary: rounding must not step over it.
        reach = torch.as_tensor(np.where(np.isfinite(radius), radius, 1.0) / 2).to(self.x)
        return self._moved(make, values, reach, "inside")

    def _stable(self, make: Explainer) -> Floats:
        """Return the mean rank correlation between seeds."""
        runs = [
            faithful.spread(make(self.model, self.x, self.seed + at), tuple(self.x.shape[1:])) for at in range(SEEDS)
        ]
        pairs = [(one, other) for one in range(SEEDS) for other in range(one)]
        return np.array([
            np.mean([faithful.spearman(runs[one][row], runs[other][row]) for one, other in pairs])
            for row in range(len(self.x))
        ])  # fmt: skip

    def _randomised(self, make: Explainer, values: Tensor) -> Floats:
        assert self.module is not None
        other = make(randomised(self.module, self.seed), self.x, self.seed)
        anew = faithful.spread(other, tuple(self.x.shape[1:]))
        return np.array([faithful.spearman(values[row], anew[row]) for row in range(len(self.x))])


def _only(options: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: options[name] for name in names if name in options}


def _range(x: Tensor) -> Tensor:
    flat = x.flatten(1)
    return flat.max(dim=1).values - flat.min(dim=1).values


def randomised(module: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """Return a copy of a network with every weight drawn anew, as its layers draw theirs; others normal, as spread."""
    other = copy.deepcopy(module)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_seed(seed, "randomised"))
        for part in reversed(list(other.modules())):
            reset = getattr(part, "reset_parameters", None)
            if callable(reset):
                reset()
                continue
            for parameter in part.parameters(recurse=False):
                with torch.no_grad():
                    parameter.normal_(0, float(parameter.std()) if parameter.numel() > 1 else 1.0)
    return other


def _control(name: str) -> Explainer:
    def run(model: Any, x: Tensor, seed: int) -> Explanation:
        if name == "random":
            values = torch.rand(x.shape, generator=torch_generator(seed, "control"), dtype=torch.float64)
        elif name == "magnitude":
            values = x.detach().cpu().double().abs()
        else:
            values = edges(x.detach().cpu().double())
        empty = np.zeros(len(x))
        kind = "image" if x.dim() == 4 else "table"
        return Explanation(name, kind, empty.astype(np.int64), empty, values.numpy())

    return run


def edges(x: Tensor) -> Tensor:
    """Return the size of the gradient of images ``(n, c, h, w)``, by Sobel's filter."""
    from scipy.ndimage import sobel

    array = x.numpy()
    return torch.as_tensor(np.hypot(sobel(array, axis=2), sobel(array, axis=3)))
