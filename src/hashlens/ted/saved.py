"""A TED model on disk: training rows and settings, without pickles. Opening it fits the model again.

::

    manifest.json     columns, estimator by name, options, versions; size and xxh3-128 of the rows
    rows.parquet      the training rows

Fitted scikit-learn estimators can only be stored as pickles, which can run code when they are opened. So they are not
stored. The same rows, options and version of scikit-learn give the same model. The folder contains the training data.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hashlens.arguments import require_whole
from hashlens.errors import TEDError, nearest
from hashlens.files import atomic_write, output_path
from hashlens.manifest import FolderKind
from hashlens.seeds import numpy_generator
from hashlens.ted.classifier import MISSING, TEDClassifier
from hashlens.ted.explanations import is_missing
from hashlens.ted.predictions import TEDPredictions, predictions_of
from hashlens.ted.score import TEDScore
from hashlens.ted.tables import Encoder, column_values

ROWS = "rows.parquet"
TED_FOLDER = FolderKind(
    format="hashlens-ted",
    schema_version=1,
    files=(ROWS,),
    what="a TED model",
    made_with="`hashlens ted fit`",
    remedy="fit it again",
    error=TEDError,
)
ESTIMATORS = {
    "random-forest": "sklearn.ensemble:RandomForestClassifier",
    "boosting": "sklearn.ensemble:HistGradientBoostingClassifier",
    "decision-tree": "sklearn.tree:DecisionTreeClassifier",
    "logistic-regression": "sklearn.linear_model:LogisticRegression",
}


@dataclass(frozen=True)
class Plan:
    """Settings for fitting a model on a table.

    Attributes
    ----------
    label, explanation : str
        Names of the columns of labels and of explanations.
    estimator : str
        A name of ``ESTIMATORS``.
    missing : {"impute", "drop", "unknown"}
        Handling of missing explanations, as in :class:`TEDClassifier`.
    marker : str or None
        Value in the column of explanations that marks a missing one, besides an empty cell.
    leave_out : tuple of str
        Columns that are not used as features.
    seed : int
        Seed of the estimator.
    """

    label: str
    explanation: str
    estimator: str = "random-forest"
    missing: Any = "impute"
    marker: str | None = None
    leave_out: tuple[str, ...] = ()
    seed: int = 0

    def check(self, table: Any) -> None:
        """Raise TEDError if a setting does not fit a table."""
        require_whole(TEDError, "seed", self.seed, least=0)
        for name, value, known in (("estimator", self.estimator, ESTIMATORS), ("missing", self.missing, MISSING)):
            if value not in known:
                raise TEDError(f"unknown {name} {value!r}; {nearest(value, known)}")
        if self.label == self.explanation:
            raise TEDError(f"label and explanation are both column {self.label!r}: name two columns")
        for name, role in ((self.label, "label"), (self.explanation, "explanation")):
            column_values(table, name, role)
        for name in self.leave_out:
            column_values(table, name, "option leave_out")


@dataclass(frozen=True, eq=False)
class TableModel:
    """A model fitted on a table.

    Attributes
    ----------
    plan : Plan
        Settings.
    rows : pyarrow.Table
        Training rows.
    encoder : Encoder
        Encoder of columns as numbers.
    model : TEDClassifier
        The fitted model.
    """

    plan: Plan
    rows: Any
    encoder: Encoder
    model: TEDClassifier

    def save(self, path: str | Path, overwrite: bool = False) -> Path:
        """Write the rows and the settings as a folder, and return its path."""
        import pyarrow.parquet
        import sklearn

        TED_FOLDER.require_replaceable(output_path(path))
        with atomic_write(path, overwrite=overwrite) as folder:
            folder.mkdir()
            pyarrow.parquet.write_table(self.rows, folder / ROWS)
            TED_FOLDER.write(folder, {"plan": asdict(self.plan), "sklearn": sklearn.__version__})
        return Path(path)

    def score(self, table: Any) -> TEDScore:
        """Return the score on other rows."""
        y, E = _labels_and_explanations(table, self.plan)
        return self.model.score_ted(self.encoder(table), y, E)

    def predict(self, table: Any, sure: float = 0.8) -> tuple[Any, TEDPredictions]:
        """Return a table with the predictions in five more columns, and a summary of the model's confidence.

        Parameters
        ----------
        table : pyarrow.Table
            Table with the columns that the model was fitted on.
        sure : float
            Smallest probability of label and explanation together at which the model is sure of a row.

        Returns
        -------
        pyarrow.Table
            The table with ``predicted_label``, ``label_probability`` P(Y), ``predicted_explanation``,
            ``explanation_probability`` P(E | Y) and ``pair_probability`` P(Y, E), their product.
        TEDPredictions
            Summary of the model's confidence.

        Raises
        ------
        TEDError
            If the table lacks a column that the model needs or already has one of the five, or `sure` is not between 0
            and 1.
        """
        import pyarrow as pa

        if not 0 < sure < 1:
            raise TEDError(f"sure must be a share between 0 and 1, received {sure!r}")
        X = self.encoder(table)
        top = self.model.predict_explanation(X, top_k=2)
        added = {
            "predicted_label": pa.array(top.labels.tolist()),
            "label_probability": pa.array(top.label_probabilities),
            "predicted_explanation": pa.array(top.explanations[:, 0].tolist()),
            "explanation_probability": pa.array(top.probabilities[:, 0]),
            "pair_probability": pa.array(top.pair_probabilities[:, 0]),
        }
        for name, values in added.items():
            if name in table.column_names:
                raise TEDError(f"the table already has a column {name!r}: rename it")
            table = table.append_column(name, values)
        return table, predictions_of(top, sure)


def fit_table(table: Any, plan: Plan) -> TableModel:
    """Fit a model on a table.

    Raises
    ------
    TEDError
        If a setting does not fit the table, a label is missing, or :class:`TEDClassifier` raises it.
    """
    plan.check(table)
    encoder = Encoder.of(table, {plan.label, plan.explanation, *plan.leave_out})
    y, E = _labels_and_explanations(table, plan)
    model = TEDClassifier(_estimator(plan), missing=plan.missing, marker=_marker(E, plan.marker))
    return TableModel(plan, table, encoder, model.fit(encoder(table), y, E))


def load_model_of_table(path: str | Path) -> TableModel:
    """Open a folder that :meth:`TableModel.save` wrote, and fit the model again.

    Raises
    ------
    TEDError
        If the folder was not written by :meth:`TableModel.save`, or is corrupt.
    """

    def read(folder: Path, manifest: dict[str, Any]) -> tuple[Any, Plan]:
        import pyarrow.parquet

        plan = manifest["plan"]
        return pyarrow.parquet.read_table(folder / ROWS), Plan(**{**plan, "leave_out": tuple(plan["leave_out"])})

    return fit_table(*TED_FOLDER.open(path, True, read))


def held_out_score(table: Any, plan: Plan, share: float) -> TEDScore:
    """Return the score, on a share of the rows, of a model fitted on the others."""
    if not 0 < share < 1:
        raise TEDError(f"test must be a share between 0 and 1, received {share!r}")
    plan.check(table)
    order = numpy_generator(plan.seed, "ted held out").permutation(table.num_rows)
    cut = max(round(share * table.num_rows), 1)
    if cut == table.num_rows:
        raise TEDError("one row is too few to hold rows out: test needs two or more")
    test, train = (table.take(np.sort(rows)) for rows in (order[:cut], order[cut:]))
    return fit_table(train, plan).score(test)


def _labels_and_explanations(table: Any, plan: Plan) -> tuple[Any, list[Any]]:
    """Return labels ``(n,)``, and explanations, None for a missing one; raise TEDError if a label is missing."""
    y = column_values(table, plan.label, "label")
    lacking = sum(value is None for value in y)
    if lacking:
        raise TEDError(f"column {plan.label!r} has no label in {lacking:,} rows: leave these rows out")
    return np.asarray(y), column_values(table, plan.explanation, "explanation")


def _marker(E: list[Any], marker: str | None) -> Any:
    """Return a marker, written as text, as the equal value among the explanations."""
    if marker is None:
        return None
    return next((value for value in E if not is_missing(value) and str(value) == marker), marker)


def _estimator(plan: Plan) -> Any:
    from importlib import import_module

    module, _, name = ESTIMATORS[plan.estimator].partition(":")
    estimator = getattr(import_module(module), name)()
    if plan.estimator == "logistic-regression":
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        return make_pipeline(StandardScaler(), estimator.set_params(max_iter=1000))
    return estimator.set_params(random_state=plan.seed)
