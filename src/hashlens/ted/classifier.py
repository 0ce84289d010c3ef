"""TEDClassifier: a scikit-learn classifier that learns an explanation with each label."""

import warnings
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone, is_regressor
from sklearn.dummy import DummyClassifier
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing, get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _num_samples,
    assert_all_finite,
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
)

from hashlens.arguments import excerpt, require_whole
from hashlens.errors import TEDError, nearest
from hashlens.nets.copying import Copying
from hashlens.ted.code_neighbours import CodeNeighbours
from hashlens.ted.embedding import LearnedEmbedding
from hashlens.ted.explanations import NONE, as_array, factorize, unique_inverse
from hashlens.ted.impute import impute, warn_unexplained
from hashlens.ted.multitask import TwoHeads
from hashlens.ted.pairs import Pairs, contradictory_explanations
from hashlens.ted.score import TEDScore, score_model
from hashlens.ted.top import TopExplanations
from hashlens.ted.trunk import Trunk

Array = npt.NDArray[Any]
Codes = npt.NDArray[np.int64]
Strategy = Literal["cartesian", "multitask", "embedding"]
Missing = Literal["impute", "drop", "unknown"]
Embedding = Literal["learned", "codes"]
STRATEGIES: tuple[Strategy, ...] = ("cartesian", "multitask", "embedding")
MISSING: tuple[Missing, ...] = ("impute", "drop", "unknown")
EMBEDDINGS: tuple[Embedding, ...] = ("learned", "codes")


def _gives_probabilities(ted: Any) -> bool:
    return ted.strategy != "cartesian" or hasattr(getattr(ted, "estimator_", ted.estimator), "predict_proba")


class TEDClassifier(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier that learns an explanation with each label, and predicts both (TED).

    Any classifier learns the pairs of a label and an explanation as classes. The predicted label is the one with the
    largest probability, summed over its explanations. The predicted explanation is the likeliest one of that label. If
    the estimator has no ``predict_proba``, its predicted pair is used.

    Parameters
    ----------
    estimator : sklearn estimator, Trunk, torch.nn.Module or str
        For ``cartesian`` a classifier, or a pipeline that ends with one; X is passed to it unchanged. For ``multitask``
        and a learned embedding a :class:`Trunk`, which is optional. For an embedding by codes a trained network, or a
        name that :func:`hashlens.load_model` takes.
    strategy : {"cartesian", "multitask", "embedding"}
        ``cartesian``: `estimator` learns the pairs. ``multitask``: a small network with one head for labels and one for
        explanations. ``embedding``: nearest neighbours vote on the pair.
    missing : {"impute", "drop", "unknown"}
        Handling of rows without an explanation. ``impute``: for each label, a model of the same strategy (for
        ``cartesian`` a clone of `estimator`) learns the explanations from the explained rows and predicts those of the
        other rows; then all pairs are learnt. ``drop``: rows without an explanation are left out (complete-case
        analysis). ``unknown``: they form one more class of their label. Its probability counts for the label, but it is
        never the predicted explanation.
    marker : object, optional
        Value in E that marks a missing explanation, such as -1, besides None, NaN and ``pd.NA``.
    embedding : {"learned", "codes"}
        Space of the neighbours: an embedding learnt by a trunk, or the neural codes of a network.
    k : int
        Number of neighbours that vote.

    Attributes
    ----------
    classes_ : numpy.ndarray
        Labels, sorted.
    explanations_ : numpy.ndarray
        Explanations, sorted.
    pairs_ : list of (label, explanation)
        All pairs in the training data, in the order of the columns of :meth:`predict_joint_proba`. None stands for no
        explanation.
    contradictions_ : list
        Explanations that occur with more than one label. They are learnt unchanged: each pair is a separate class.
    missing_ : int
        Number of rows without an explanation.
    decision_ : {"marginal", "pair"}
        Whether labels are predicted by summed probabilities, or from the pair that the estimator predicts.
    estimator_ : sklearn estimator
        Estimator fitted on the pairs.

    References
    ----------
    Hind, Wei, Campbell, Codella, Dhurandhar, Mojsilovic, Ramamurthy, Varshney (2019): TED: teaching AI to explain its
    decisions. AIES. Hind, Wei, Zhang (2020): Consumer-driven explanations for machine learning decisions: an empirical
    study of robustness. Imputing within each label and deciding on sums are not from the paper.

    Examples
    --------
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from hashlens.ted import retention
    >>> table = retention(2000, seed=0, missing=0.5)
    >>> model = TEDClassifier(RandomForestClassifier(20, random_state=0))
    >>> model = model.fit(table.rows, table.labels, table.E)
    >>> labels, explanations = model.predict_explain(table.rows[:3])
    >>> labels.tolist() == table.labels[:3].tolist()
    True
    """

    def __init__(
        self,
        estimator: Any = None,
        strategy: Strategy = "cartesian",
        missing: Missing = "impute",
        *,
        marker: Any = None,
        embedding: Embedding = "learned",
        k: int = 5,
    ) -> None:
        self.estimator = estimator
        self.strategy = strategy
        self.missing = missing
        self.marker = marker
        self.embedding = embedding
        self.k = k

    def fit(self, X: Any, y: Any, E: Any = None, sample_weight: Any = None) -> Self:
        """Learn labels and explanations.

        Parameters
        ----------
        X : array_like
            n rows, in any form that the estimator takes.
        y : array_like
            ``(n,)``: labels.
        E : array_like, optional
            ``(n,)``: explanations, as text, numbers, categories, or :class:`MultiLabel` for sets of reasons. None, NaN,
            ``pd.NA`` and the marker stand for a missing explanation. Without E only labels are learnt.
        sample_weight : array_like, optional
            ``(n,)``: weights of the rows for the estimator; equal by default.

        Raises
        ------
        ValueError
            If the estimator does not accept X or y.
        TEDError
            If an argument or E is invalid, or too few explanations remain to be learnt.

        Warns
        -----
        TEDWarning
            If a label has no explanation in E.
        """
        self._check_arguments()
        y = self._check_labels(X, y)
        weights = None if sample_weight is None else np.asarray(sample_weight)
        if weights is not None:
            check_consistent_length(X, weights)
        self.classes_, labels = unique_inverse(y)
        values, explanations = factorize(E, len(labels), self.marker)
        self.explanations_ = as_array(values)
        self.missing_ = int((explanations == NONE).sum())
        if self.missing_ and self.missing_ < len(labels):
            X, labels, explanations, weights = self._handle_missing(X, labels, explanations, weights)
        pairs, codes = Pairs.of(labels, explanations)
        self._pairs = pairs
        names = [None if place == NONE else values[place] for place in pairs.explanations]
        self.pairs_ = list(zip(self.classes_[pairs.labels].tolist(), names, strict=True))
        self.contradictions_ = [values[place] for place in contradictory_explanations(pairs)]
        self.estimator_ = self._fit(X, codes, weights, pairs)
        self.decision_ = "marginal" if hasattr(self.estimator_, "predict_proba") else "pair"
        return self

    def predict(self, X: Any) -> Array:
        """Return the label of each row, ``(n,)``."""
        check_is_fitted(self)
        result: Array = self.classes_[self._labels_and_joint(X)[0]]
        return result

    @available_if(_gives_probabilities)  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each label, ``(n, labels)``, summed over explanations; columns are `classes_`."""
        check_is_fitted(self)
        return self._pairs.marginal(self._joint(X))

    @available_if(_gives_probabilities)  # type: ignore[untyped-decorator]
    def predict_joint_proba(self, X: Any) -> Array:
        """Return the probability of each pair of label and explanation, ``(n, pairs)``; columns are `pairs_`."""
        check_is_fitted(self)
        return self._joint(X)

    def predict_explanation(self, X: Any, top_k: int | None = None) -> Any:
        """Return the likeliest explanation of the predicted label.

        Parameters
        ----------
        X : array_like
            n rows.
        top_k : int, optional
            Number of the likeliest explanations to return, with probabilities; by default only the likeliest one.

        Returns
        -------
        numpy.ndarray or TopExplanations
            ``(n,)``: explanations, None if the label has none; with `top_k` a :class:`TopExplanations`.

        Raises
        ------
        TEDError
            If `top_k` is not an integer of 1 or more, or the estimator has no probabilities.
        """
        if top_k is None:
            return self.predict_explain(X)[1]
        check_is_fitted(self)
        require_whole(TEDError, "top_k", top_k)
        labels, joint = self._labels_and_joint(X)[:2]
        if joint is None:
            raise TEDError(
                f"{type(self.estimator_).__name__} has no predict_proba, so it predicts pairs without "
                "probabilities: leave out top_k, or wrap the estimator in "
                "sklearn.calibration.CalibratedClassifierCV"
            )
        places, shares = self._pairs.likeliest(joint, labels, top_k)
        of_label = self._pairs.marginal(joint)[np.arange(len(labels)), labels]
        return TopExplanations(self.classes_[labels], self._names_or_none()[places], shares, of_label)

    def predict_explain(self, X: Any) -> tuple[Array, Array]:
        """Return the label and the explanation of each row, ``(n,)`` each; as in AIX360."""
        check_is_fitted(self)
        labels, joint, pair = self._labels_and_joint(X)
        places = self._pairs.explanations[pair] if joint is None else self._pairs.likeliest(joint, labels, 1)[0][:, 0]
        return self.classes_[labels], self._explanation_names(places)

    def score_ted(
        self, X: Any, y: Any, E: Any, sample_weight: Any = None, *, confidence: float = 0.95, sure: float = 0.8
    ) -> TEDScore:
        """Return the accuracies of label, explanation and both together, with intervals.

        Parameters
        ----------
        X, y, E, sample_weight : array_like
            As in :meth:`fit`; rows without an explanation count only for the label.
        confidence : float
            Confidence level of the intervals.
        sure : float
            Smallest probability of label and explanation together at which the model is sure of a row.

        Returns
        -------
        TEDScore
            The score, with confused explanations and rows to inspect.

        Raises
        ------
        TEDError
            If E is invalid, or `confidence` or `sure` is not between 0 and 1.
        """
        return score_model(self, X, self._check_labels(X, y), E, sample_weight, confidence, sure)

    def _check_arguments(self) -> None:
        for name, known in (("strategy", STRATEGIES), ("missing", MISSING), ("embedding", EMBEDDINGS)):
            value = getattr(self, name)
            if value not in known:
                raise TEDError(f"unknown {name} {excerpt(value)}; {nearest(value, known)}")
        require_whole(TEDError, "k", self.k)
        by_codes = self.strategy == "embedding" and self.embedding == "codes"
        if self.estimator is None and self.strategy == "cartesian":
            raise TEDError(
                "strategy 'cartesian' needs an estimator to learn pairs: such as "
                "TEDClassifier(sklearn.ensemble.RandomForestClassifier())"
            )
        if self.strategy == "cartesian" and (isinstance(self.estimator, type) or is_regressor(self.estimator)):
            example = f"{self.estimator.__name__}()" if isinstance(self.estimator, type) else "RandomForestClassifier()"
            raise TEDError(
                f"strategy 'cartesian' needs a classifier, or a pipeline that ends with one, such as {example}; "
                f"received {excerpt(self.estimator)}"
            )
        if self.estimator is None and by_codes:
            raise TEDError("embedding='codes' needs a network as estimator: such as TEDClassifier(network, ...)")
        if not (
            self.estimator is None or by_codes or self.strategy == "cartesian" or isinstance(self.estimator, Trunk)
        ):
            raise TEDError(
                f"strategy {self.strategy!r} takes a hashlens.ted.Trunk as estimator, received "
                f"{excerpt(self.estimator)}; leave it out for one with defaults"
            )

    def _check_labels(self, X: Any, y: Any) -> Array:
        """Return the labels ``(n,)`` as an array; raise ValueError unless they are classes, one for each row of X."""
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        if not (isinstance(y, np.ndarray) and y.ndim == 1 and y.dtype.kind in "iubU"):
            y = column_or_1d(y, warn=True)
        if y.dtype.kind == "f":
            assert_all_finite(y, input_name="y")
        if y.dtype.kind not in "iubU":
            # The check sorts all labels, which is not needed for whole numbers and text: these are always classes.
            check_classification_targets(y)
        check_consistent_length(X, y)
        if not _num_samples(X):
            raise ValueError("Found array with 0 sample(s) while a minimum of 1 is required: X has no rows")
        return np.asarray(y)

    def _handle_missing(
        self, X: Any, labels: Codes, explanations: Codes, weights: Array | None
    ) -> tuple[Any, Codes, Codes, Array | None]:
        """Return the training data after missing explanations are handled."""
        if self.missing == "impute":
            return X, labels, impute(X, labels, explanations, weights, self._fit, self.classes_.tolist()), weights
        known = np.flatnonzero(explanations != NONE)
        lacking = np.setdiff1d(labels, labels[known])
        if self.missing == "unknown":
            for label in lacking:
                warn_unexplained(self.classes_[label].item() if hasattr(self.classes_[label], "item") else label)
            return X, labels, explanations, weights
        if len(lacking):
            raise TEDError(
                f"no row of label {self.classes_[lacking[0]]!s} has an explanation, so missing='drop' would "
                "drop the label: explain some rows, or use missing='impute'"
            )
        return (
            _safe_indexing(X, known), labels[known], explanations[known], None if weights is None else weights[known],
        )  # fmt: skip

    def _fit(self, X: Any, codes: Codes, weights: Array | None, pairs: Pairs | None = None) -> Any:
        """Return an estimator fitted on classes that are numbered from 0 without gaps."""
        if codes.max(initial=0) == 0 and len(self.classes_) == 1 and self.missing_ < len(codes):
            # Some estimators reject a single class; a dummy classifier gives the same prediction.
            return DummyClassifier().fit(X, codes, weights)
        estimator = self._new_estimator(codes, pairs)
        weight_argument = "sample_weight"
        if isinstance(estimator, Pipeline) and not _routes_metadata():
            weight_argument = f"{estimator.steps[-1][0]}__{weight_argument}"
        with warnings.catch_warnings():
            # There may be many pairs and few rows, but pairs are classes: scikit-learn's warning does not apply.
            warnings.filterwarnings("ignore", "The number of unique classes is greater than 50%", UserWarning)
            return estimator.fit(X, codes, **({} if weights is None else {weight_argument: weights}))

    def _new_estimator(self, codes: Codes, pairs: Pairs | None) -> Any:
        """Return a new estimator for classes that are pairs, or explanations of one label."""
        if self.strategy == "cartesian":
            return clone(self.estimator)
        if self.strategy == "multitask":
            pairs = Pairs.of(np.zeros_like(codes), codes)[0] if pairs is None else pairs
            return TwoHeads(self.estimator or Trunk(), pairs)
        if self.embedding == "codes":
            return CodeNeighbours(self.estimator, self.k)
        return LearnedEmbedding(self.estimator or Trunk(), self.k)

    def _labels_and_joint(self, X: Any) -> tuple[Codes, Array | None, Codes | None]:
        """Return the indices of labels, and the probabilities of all pairs or, without these, the predicted pairs."""
        if self.decision_ == "pair":
            pair = np.asarray(self.estimator_.predict(X))
            return self._pairs.labels[pair], None, pair
        joint = self._joint(X)
        return self._pairs.marginal(joint).argmax(axis=1), joint, None

    def _joint(self, X: Any) -> Array:
        """Return the probability of each pair, ``(n, pairs)``."""
        joint = np.asarray(self.estimator_.predict_proba(X))
        classes = np.asarray(self.estimator_.classes_)
        if len(classes) == len(self._pairs):
            return joint
        # An estimator with its own validation set may not have seen a rare pair.
        all_pairs = np.zeros((len(joint), len(self._pairs)))
        all_pairs[:, classes] = joint
        return all_pairs

    def _explanation_names(self, places: Codes) -> Array:
        """Return the explanations of indices; an array of objects if any is None (index -1)."""
        if (places == NONE).any() or not len(self.explanations_):
            return self._names_or_none()[places]
        result: Array = self.explanations_[places]
        return result

    def _names_or_none(self) -> npt.NDArray[np.object_]:
        """Return the explanations followed by None, which the index -1 selects."""
        values = np.full(len(self.explanations_) + 1, None, dtype=object)
        values[:-1] = self.explanations_
        return values

    @property
    def n_features_in_(self) -> int:
        """Number of columns of X, if the estimator has it."""
        return int(self._fitted_attribute("n_features_in_"))

    @property
    def feature_names_in_(self) -> Array:
        """Names of the columns of X, if the estimator has them."""
        names: Array = self._fitted_attribute("feature_names_in_")
        return names

    def _fitted_attribute(self, name: str) -> Any:
        fitted = self.__dict__.get("estimator_")
        if fitted is None or not hasattr(fitted, name):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(fitted, name)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        if self.estimator is not None and self.strategy == "cartesian":
            inner = get_tags(self.estimator)
            tags.input_tags = inner.input_tags
            tags.array_api_support = False
            tags.non_deterministic = inner.non_deterministic
            tags.classifier_tags.poor_score = bool(inner.classifier_tags and inner.classifier_tags.poor_score)
        return tags

    def __sklearn_clone__(self) -> Self:
        with Copying():
            fresh: Self = super().__sklearn_clone__()
            return fresh


def _routes_metadata() -> bool:
    """Return whether scikit-learn routes ``sample_weight`` to the steps of a pipeline itself."""
    from sklearn import get_config

    return bool(get_config()["enable_metadata_routing"])
