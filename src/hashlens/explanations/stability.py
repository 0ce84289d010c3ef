"""Stability of values for nearby inputs, between seeds and in a linear region; dependence on network and class."""

from contextlib import suppress

import numpy as np
import numpy.typing as npt
import torch

from hashlens.errors import HashlensError
from hashlens.explanations.evaluation_set import Candidate, EvaluationSet
from hashlens.nets.copying import copied
from hashlens.nets.reinitialise import modules_to_reset, own_parameters, reinitialise, reset_method
from hashlens.seeds import numpy_generator, torch_generator, torch_seed

Tensor = torch.Tensor
Floats = npt.NDArray[np.float64]
NEARBY = 0.02
"""Distance that inputs are moved for sensitivity, as a share of an example's range."""
MOVES = 5
"""Number of random moves of each example."""
SEEDS = 5
RANDOM_METHODS = ("smooth_grad", "smooth_guided_grad", "lime", "cle", "kernel_shap", "anchor", "random")
"""Methods that draw random numbers; all others do not depend on the seed."""


def sensitivity(evaluation_set: EvaluationSet, candidate: Candidate) -> Floats:
    """Return the largest relative change of the values over nearby inputs (Yeh et al., 2019)."""
    flat = evaluation_set.x.flatten(1)
    return _largest_change(evaluation_set, candidate, NEARBY * (flat.max(dim=1).values - flat.min(dim=1).values))


def region_stability(evaluation_set: EvaluationSet, candidate: Candidate) -> Floats:
    """Return the largest relative change of the values inside the linear region, where the network is affine.

    It is NaN, with a note, if the network has no linear regions.
    """
    from hashlens.regions.at import at

    if evaluation_set.subject.module is None:
        return evaluation_set.unknown
    try:
        radius = at(evaluation_set.subject.module, evaluation_set.x).radius(np.inf).distance
    except HashlensError as error:
        evaluation_set.notes.append(f"No region stability: {error}.")
        return evaluation_set.unknown
    # Half the distance to the nearest boundary, so that rounding cannot cross it.
    return _largest_change(evaluation_set, candidate, torch.as_tensor(np.where(np.isfinite(radius), radius, 1.0) / 2))


def _largest_change(evaluation_set: EvaluationSet, candidate: Candidate, reach: Tensor) -> Floats:
    """Return the largest relative change of values over moves of each example by at most `reach` ``(n,)``."""
    x, values = evaluation_set.x, candidate.values
    across = reach.to(x).reshape(-1, *[1] * (x.dim() - 1))
    size = values.flatten(1).norm(dim=1)
    worst = torch.zeros(len(x), dtype=torch.float64)
    for step in range(MOVES):
        drawn = torch.rand(x.shape, generator=torch_generator(evaluation_set.seed, "moved", step)).to(x) * 2 - 1
        change = (candidate.recompute(x=x + across * drawn) - values).flatten(1).norm(dim=1)
        worst = torch.maximum(worst, torch.where(size > 0, change / size.clamp(min=1e-300), (change > 0).double()))
    return worst.numpy()


def rank_stability(evaluation_set: EvaluationSet, candidate: Candidate) -> Floats:
    """Return the mean rank correlation of the absolute values between seeds."""
    if candidate.name not in RANDOM_METHODS:
        return np.ones(len(evaluation_set.x))
    runs = [candidate.recompute(seed=evaluation_set.seed + i) for i in range(SEEDS)]
    pairs = [(runs[one], runs[other]) for one in range(SEEDS) for other in range(one)]
    agreement: Floats = np.mean([_agreement(one, other) for one, other in pairs], axis=0)
    return agreement


def mprt(evaluation_set: EvaluationSet, candidate: Candidate) -> Floats:
    """Return the rank correlation with the values of the same network with random weights.

    It is the last step of the cascading randomisation of Adebayo et al. (2018): 1 means that the values do not depend
    on the weights. It is NaN, with a note, if the network cannot be copied.
    """
    if evaluation_set.subject.module is None:
        return evaluation_set.unknown
    try:
        other = randomise(evaluation_set.subject.module, evaluation_set.seed)
    except Exception as error:  # a module that cannot be copied may raise anything
        evaluation_set.notes.append(f"No MPRT: the network cannot be copied ({str(error).splitlines()[0]}).")
        return evaluation_set.unknown
    return _agreement(candidate.values, candidate.recompute(model=other))


def random_logit(evaluation_set: EvaluationSet, candidate: Candidate) -> Floats:
    """Return the rank correlation with the values for another, random class (Sixt, Granz, Landgraf, 2020).

    It is not defined for fewer than three classes: evidence for one of two is evidence against the other.
    """
    classes = evaluation_set.subject.scores(evaluation_set.x[:1]).shape[1]
    if classes < 3:
        return evaluation_set.unknown
    steps = numpy_generator(evaluation_set.seed, "random_logit").integers(1, classes, len(evaluation_set.x))
    other = (evaluation_set.target + torch.as_tensor(steps)) % classes
    return _agreement(candidate.values, candidate.recompute(target=other))


def _agreement(one: Tensor, other: Tensor) -> Floats:
    return np.array([spearman(mine.numpy(), theirs.numpy()) for mine, theirs in zip(one, other, strict=True)])


def spearman(one: npt.ArrayLike, other: npt.ArrayLike) -> float:
    """Return Spearman's rank correlation of the absolute values of two arrays; 1 if both are constant, 0 if one is."""
    from scipy.stats import rankdata

    first, second = (rankdata(np.abs(np.asarray(array, np.float64)).ravel()) for array in (one, other))
    first, second = first - first.mean(), second - second.mean()
    size = float(np.sqrt((first**2).sum() * (second**2).sum()))
    if size == 0:
        return 1.0 if not first.any() and not second.any() else 0.0
    return float((first * second).sum() / size)


def randomise(module: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """Return a copy of a network with random weights, drawn by its layers' own initialisation.

    Weights without a known initialisation, such as those of scripted layers, are drawn from a normal distribution with
    their own mean and standard deviation. So a scale that is 1 everywhere stays 1, and units do not become constant.
    """
    other = copied(module)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_seed(seed, "randomised"))
        for _, part in reversed(list(modules_to_reset(other))):
            if (reset := reset_method(part)) is not None:
                with suppress(Exception):  # some parametrizations cannot be inverted, and raise
                    reinitialise(part, reset)
                    continue
            for parameter in own_parameters(part):
                with torch.no_grad():
                    mean, several = float(parameter.mean()), parameter.numel() > 1
                    parameter.normal_(mean, float(parameter.std()) if several else 1.0)
    return other
