"""The regime of a network: under-, critically or sufficiently expressive, by thresholds that hashlens sets."""

from dataclasses import dataclass
from typing import Literal

from hashlens.arguments import excerpt, is_number
from hashlens.errors import MeasureError
from hashlens.measures.learning import Learning
from hashlens.result import Result

RegimeName = Literal["under-expressive", "critically-expressive", "sufficiently-expressive"]


@dataclass(frozen=True)
class RegimeThresholds(Result):
    """Thresholds between the regimes. hashlens sets them, since the paper's numeric criteria were not available.

    Attributes
    ----------
    under_redundancy : float
        R on train above which a network is under-expressive: most examples share a code.
    under_retention : float
        Retention below which a network is under-expressive: the code has lost what the network knows.
    sufficient_redundancy : float
        Largest R on train of a sufficiently expressive network: nearly every example has its own code.
    sufficient_retention : float
        Smallest retention of a sufficiently expressive network: the code alone classifies as well as the network.
    """

    under_redundancy: float = 0.5
    under_retention: float = 0.8
    sufficient_redundancy: float = 0.05
    sufficient_retention: float = 0.95

    @property
    def source(self) -> str:
        """A sentence on who set the thresholds."""
        if self == RegimeThresholds():
            return "The thresholds are hashlens's own, not the paper's."
        return "The thresholds are those that were passed; they are not the paper's."

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not is_number(value):
                raise MeasureError(f"regime threshold {name} must be a number, received {excerpt(value)}")
        if not 0 <= self.sufficient_redundancy <= self.under_redundancy <= 1:
            raise MeasureError(
                "regime thresholds must satisfy 0 <= sufficient_redundancy <= under_redundancy <= 1, "
                f"received {self.sufficient_redundancy:g} and {self.under_redundancy:g}"
            )
        if not 0 <= self.under_retention <= self.sufficient_retention:
            raise MeasureError(
                "regime thresholds must satisfy 0 <= under_retention <= sufficient_retention, "
                f"received {self.under_retention:g} and {self.sufficient_retention:g}"
            )


def as_thresholds(thresholds: RegimeThresholds | None) -> RegimeThresholds:
    """Return `thresholds`, or the default ones for None; raise MeasureError for anything else."""
    if thresholds is None:
        return RegimeThresholds()
    if not isinstance(thresholds, RegimeThresholds):
        raise MeasureError(
            "thresholds must be RegimeThresholds, such as RegimeThresholds(under_redundancy=0.4), received "
            f"{excerpt(thresholds)}"
        )
    return thresholds


@dataclass(frozen=True)
class Regime(Result):
    """Regime of a network, with the reason.

    Attributes
    ----------
    name : str
        Name: ``under-expressive``, ``critically-expressive`` or ``sufficiently-expressive``.
    reason : str
        The criterion that decided, and what would change the regime.
    redundancy_ratio : float
        Redundancy ratio R on train.
    retention : float
        Accuracy of the code alone divided by the accuracy of the network; the accuracy of the code itself, if there is
        no accuracy of the network to compare with.
    thresholds : RegimeThresholds
        The thresholds used.
    learning : Learning or None
        Evidence on whether the network has learnt; None if it was not checked. Problems are reported before the regime,
        and the advice depends on them.
    """

    name: RegimeName
    reason: str
    redundancy_ratio: float
    retention: float
    thresholds: RegimeThresholds
    learning: Learning | None = None

    @property
    def learnt(self) -> bool:
        """Whether no problem of learning was found; true also if learning was not checked."""
        return self.learning is None or not self.learning.problems

    @property
    def verdict(self) -> str:
        """The verdict in words: first the problems of the network, then the regime."""
        problems = () if self.learning is None else self.learning.problems
        return f"{'; '.join(problems)}; {self.name}" if problems else self.name

    def __rich__(self) -> str:
        return f"{self.verdict}: {self.reason}"


def regime(
    redundancy_ratio: float,
    retention: float,
    *,
    thresholds: RegimeThresholds | None = None,
    learning: Learning | None = None,
    compared: bool = True,
) -> Regime:
    """Name the regime of a network from its determinism and categorization.

    Parameters
    ----------
    redundancy_ratio : float
        Redundancy ratio R on train, in [0, 1].
    retention : float
        Test accuracy of the better of K-NN and logistic regression on the codes, divided by the network's own test
        accuracy; above 1 if the codes do better.
    thresholds : RegimeThresholds, optional
        Thresholds between the regimes; by default those of :class:`RegimeThresholds`.
    learning : Learning, optional
        Evidence on whether the network has learnt. Problems change the advice, not the name of the regime.
    compared : bool
        Whether `retention` is relative to the network's own accuracy. False if the network has no accuracy on these
        labels; `retention` is then the accuracy of the code alone, and the reason says so.

    Raises
    ------
    MeasureError
        If R is not in [0, 1], the retention is negative or NaN, or `thresholds` is not a RegimeThresholds.

    >>> regime(0.77, 0.79).name
    'under-expressive'
    >>> regime(0.0, 0.98).name
    'sufficiently-expressive'
    """
    if not 0 <= redundancy_ratio <= 1:
        raise MeasureError(f"the redundancy ratio must be in [0, 1], received {redundancy_ratio}")
    if not retention >= 0:
        raise MeasureError(f"retention must be an accuracy divided by another, received {retention}")
    limits = as_thresholds(thresholds)
    name, decision, change = _decide(redundancy_ratio, retention, limits, compared)
    advice = learning.advice if learning is not None and learning.problems else f"{change} would change it"
    return Regime(name, f"{decision}; {advice}", redundancy_ratio, retention, limits, learning)


def _decide(ratio: float, retention: float, limits: RegimeThresholds, compared: bool) -> tuple[RegimeName, str, str]:
    """Return the name, the criterion that decided, and what would change the regime if the network has learnt."""
    ratio_text = f"R on train is {ratio:.3f}"
    retained_text = (
        f"the code alone keeps {retention:.1%} of the network's accuracy"
        if compared
        else f"the code alone has an accuracy of {retention:.1%}, and there is no accuracy of the network to "
        "compare with"
    )
    crowded, lossy = ratio > limits.under_redundancy, retention < limits.under_retention
    if crowded or lossy:
        reasons = []
        if crowded:
            reasons.append(f"{ratio_text}, above {limits.under_redundancy:g}, so most examples share a code")
        if lossy:
            reasons.append(f"{retained_text}, less than {limits.under_retention:.0%}")
        return "under-expressive", " and ".join(reasons), "more width or longer training"
    deterministic = ratio <= limits.sufficient_redundancy
    retained = retention >= limits.sufficient_retention
    if deterministic and retained:
        conditions = (
            f"which is at most {limits.sufficient_redundancy:g}, and {retained_text}, which is at least "
            f"{limits.sufficient_retention:.0%}"
        )
        return "sufficiently-expressive", f"{ratio_text}, {conditions}", "fewer units, less training or less data"
    missing = []
    if not deterministic:
        missing.append(f"{ratio_text}, but at most {limits.sufficient_redundancy:g} is required")
    if not retained:
        missing.append(f"{retained_text}, but at least {limits.sufficient_retention:.0%} is required")
    note = "" if len(missing) == 2 else f" ({ratio_text if deterministic else retained_text}, which is enough)"
    return "critically-expressive", f"{'; '.join(missing)}{note}", "more width, training or data"
