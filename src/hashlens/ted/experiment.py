"""The study of TED: accuracy of labels and explanations by classifier, explanations, noise and missing explanations.

The protocol is that of hashlens. Each repeat generates a table and trains on four fifths of it. Only the training
explanations are noisy or missing; accuracies are measured against the clean explanations of the rest.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from hashlens.errors import StudyError, TEDError
from hashlens.seeds import torch_seed
from hashlens.study.cells import Cell, Run
from hashlens.study.experiment import Experiment, Outcome, Reporter
from hashlens.study.row import Row
from hashlens.study.spec import StudySpec
from hashlens.study.spec.fields import Count
from hashlens.study.variables import Factor, MeasureInfo, Variables
from hashlens.ted.credit import credit
from hashlens.ted.missing import MISSING_KINDS
from hashlens.ted.noise import NOISE_KINDS
from hashlens.ted.retention import MERGED, retention
from hashlens.ted.taught import TaughtTable

TRAIN = 0.8
"""Share of training rows."""
SEEDS = 2**32 - 1
"""Seeds of scikit-learn are below this number."""
Make = Callable[[int, int], Any]


def _forest(seed: int, trees: int, **settings: Any) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(trees, n_jobs=1, random_state=seed, **settings)


def _tree(seed: int, trees: int) -> Any:
    from sklearn.tree import DecisionTreeClassifier

    return DecisionTreeClassifier(random_state=seed)


def _boosting(seed: int, trees: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(max_iter=max(trees // 5, 1), early_stopping=False, random_state=seed)


def _scale(estimator: Any) -> Any:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), estimator)


def _logistic(seed: int, trees: int) -> Any:
    from sklearn.linear_model import LogisticRegression

    return _scale(LogisticRegression(max_iter=1000))


def _neighbours(seed: int, trees: int) -> Any:
    from sklearn.neighbors import KNeighborsClassifier

    return _scale(KNeighborsClassifier(5))


def _perceptron(seed: int, trees: int) -> Any:
    from sklearn.neural_network import MLPClassifier

    return _scale(MLPClassifier((50,), max_iter=60, early_stopping=True, random_state=seed))


CLASSIFIERS: dict[str, Make] = {
    "random forest": _forest,
    "random forest, leaf 5": lambda seed, trees: _forest(seed, trees, min_samples_leaf=5),
    "decision tree": _tree,
    "gradient boosting": _boosting,
    "logistic regression": _logistic,
    "K-NN": _neighbours,
    "MLP": _perceptron,
}
"""Functions from a seed and a number of trees to a classifier."""


class TEDSpec(StudySpec):
    """The fields of a study of TED.

    Attributes
    ----------
    rows : int
        Number of rows of each table, including test rows.
    trees : int
        Number of trees of a forest; gradient boosting has a fifth as many rounds.
    """

    rows: Count = 10_000
    trees: Count = 100


class TED(Experiment):
    """Experiment: learn and predict labels and explanations together."""

    variables = Variables(
        "ted",
        (
            Factor("table", default="retention", allowed=("retention", "credit")),
            Factor("classifier", default="random forest", allowed=tuple(CLASSIFIERS)),
            Factor("explanations", "number of explanations", type="int", default=26, allowed=tuple(MERGED)),
            Factor("noise", "wrong explanations, share", type="float", default=0.0, fixed_at="first"),
            Factor("noise_kind", default=NOISE_KINDS[0], allowed=NOISE_KINDS, fixed_at="first"),
            Factor("missing", "missing explanations, share", type="float", default=0.0, fixed_at="first"),
            Factor("missing_kind", default=MISSING_KINDS[0], allowed=MISSING_KINDS, fixed_at="first"),
            Factor("algorithm", default="impute", allowed=("impute", "drop", "unknown"), fixed_at="first"),
        ),
        None,
        {
            "label_accuracy": MeasureInfo(
                "accuracy of Y", "Y", low=0.0, high=1.0, better="higher", group="accuracy"
            ),
            "pair_accuracy": MeasureInfo(
                "accuracy of YE", "YE", low=0.0, high=1.0, better="higher", group="accuracy"
            ),
            "label_alone": MeasureInfo(
                "accuracy of Y without explanations", "Y alone", low=0.0, high=1.0, better="higher", group="accuracy"
            ),
        },
    )  # fmt: skip
    Spec = TEDSpec

    def run(self, pack: Sequence[Run], resources: Any, reporter: Reporter) -> Iterator[Outcome]:
        """Train and test each cell; all cells of a repeat share the rows and the seed of the classifier."""
        spec = resources.spec
        for run in pack:
            seed = torch_seed(spec.seed, "ted", run.repeat) % SEEDS
            result = accuracies(run.cell, spec.rows, spec.trees, seed, "label_alone" in spec.measures)
            reporter.advance(run)
            yield Outcome(run, [Row(measure=name, split="test", value=result[name]) for name in spec.measures])


def accuracies(cell: Cell, rows: int, trees: int, seed: int, alone: bool) -> dict[str, float]:
    """Return the accuracies of a cell: of Y, of YE and, with `alone`, of Y learnt without explanations."""
    from hashlens.ted.classifier import TEDClassifier

    table, cut = make_table(cell, rows, seed), int(TRAIN * rows)
    train, test = table[:cut], table[cut:]
    make = CLASSIFIERS[cell["classifier"]]
    model = TEDClassifier(make(seed, trees), missing=cell["algorithm"]).fit(train.rows, train.labels, train.E)
    labels, reasons = model.predict_explain(test.rows)
    right = labels == test.labels
    result = {
        "label_accuracy": float(right.mean()),
        "pair_accuracy": float(np.mean(right & (reasons == test.explanations))),
    }
    if alone:
        result["label_alone"] = float(make(seed, trees).fit(train.rows, train.labels).score(test.rows, test.labels))
    return result


def make_table(cell: Cell, rows: int, seed: int) -> TaughtTable:
    """Return the table of a cell, with its wrong and missing training explanations."""
    corruption = {name: cell[name] for name in ("noise", "noise_kind", "missing", "missing_kind")}
    try:
        if cell["table"] == "retention":
            return retention(rows, seed, explanations=cell["explanations"], **corruption)
        if cell["explanations"] != max(MERGED):
            raise StudyError("credit has 8 explanations: leave out the axis explanations, or vary it on retention")
        return credit(rows, seed, **corruption)
    except TEDError as error:
        raise StudyError(str(error)) from error


EXPERIMENT = TED()
