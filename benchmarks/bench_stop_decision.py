"""The cost of a decision of `RegretBound` in nine dimensions, against Optuna's evaluator and BoTorch in the same run.

The objective is a smooth function with noise. The last trial is the best, so that no earlier fit can be reused. Each
time is the least of three.
"""

import time
import warnings

import numpy as np

from hashlens.tuning import Parameter, RegretBound, Trace
from hashlens.tuning.modelled import _possible_gain

DIMENSIONS = 9
SPACE = tuple(Parameter(f"x{at}") for at in range(DIMENSIONS))


def made(trials, seed=0):
    """Return places and values of trials; the last is the best."""
    rng = np.random.default_rng(seed)
    places = rng.random((trials, DIMENSIONS))
    places[-1] = 0.4
    return places, ((places - 0.4) ** 2).sum(axis=1) + 0.02 * rng.standard_normal(trials)


def trace(places, values):
    """Return places and values as a trace."""
    given = tuple({one.name: float(x) for one, x in zip(SPACE, place, strict=True)} for place in places)
    return Trace(values, parameters=given, space=SPACE)


def ours(trials):
    """Return the bound and the seconds of one decision."""
    whole, rule = trace(*made(trials)), RegretBound(threshold=1e-9)
    _possible_gain.cache_clear()
    started = time.perf_counter()
    bound = rule.decide(whole).bound
    return bound, time.perf_counter() - started


def optunas(trials):
    """Return the bound of Optuna's evaluator, and its seconds."""
    import optuna
    from optuna.distributions import FloatDistribution
    from optuna.study import StudyDirection
    from optuna.terminator import RegretBoundEvaluator

    places, values = made(trials)
    names = {one.name: FloatDistribution(0.0, 1.0) for one in SPACE}
    done = [
        optuna.trial.create_trial(
            params=dict(zip(names, map(float, place), strict=True)), distributions=names, value=value
        )
        for place, value in zip(places, values, strict=True)
    ]
    started = time.perf_counter()
    bound = RegretBoundEvaluator(seed=0).evaluate(done, StudyDirection.MINIMIZE)
    return bound, time.perf_counter() - started


def botorchs(trials):
    """Return the same bound by BoTorch: a process of its own defaults, its multi-start search; and its seconds."""
    import torch
    from botorch.acquisition import UpperConfidenceBound
    from botorch.fit import fit_gpytorch_mll
    from botorch.models import SingleTaskGP
    from botorch.models.utils.gpytorch_modules import get_matern_kernel_with_gamma_prior
    from botorch.optim import optimize_acqf
    from gpytorch.mlls import ExactMarginalLogLikelihood

    places, values = made(trials)
    kept = np.argsort(values)[: max(20, trials // 2)]
    started = time.perf_counter()
    X, y = torch.tensor(places[kept]), torch.tensor(-values[kept])[:, None]
    mean, spread = y.mean(), y.std()
    model = SingleTaskGP(X, (y - mean) / spread, covar_module=get_matern_kernel_with_gamma_prior(DIMENSIONS),
                         outcome_transform=None)  # fmt: skip
    fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
    beta = 0.4 * np.log(DIMENSIONS * len(kept) ** 2 * np.pi**2 / 0.6)
    bounds = torch.stack([torch.zeros(DIMENSIONS), torch.ones(DIMENSIONS)]).double()
    upper = optimize_acqf(UpperConfidenceBound(model, beta), bounds, q=1, num_restarts=5, raw_samples=2048)[1]
    with torch.no_grad():
        found = model.posterior(X)
        lower = (found.mean - np.sqrt(beta) * found.variance.sqrt()).max()
    return float((upper - lower) * spread), time.perf_counter() - started


def main():
    """Print the table."""
    warnings.simplefilter("ignore")
    for call in (lambda: ours(30), lambda: optunas(30), lambda: botorchs(30)):
        call()  # what is imported and compiled once
    print(f"{'trials':>7} {'ours':>9} {'Optuna':>9} {'BoTorch':>9}   seconds, the least of three")
    for trials in (20, 50, 100, 200, 500):
        rows = [[call() for _ in range(3)] for call in (
            lambda t=trials: ours(t), lambda t=trials: optunas(t),
            lambda t=trials: botorchs(t))]  # fmt: skip
        seconds = " ".join(f"{min(one[1] for one in row):9.3f}" for row in rows)
        print(f"{trials:>7} {seconds}   bounds {rows[0][0][0]:.3f} {rows[1][0][0]:.3f} {rows[2][0][0]:.3f}", flush=True)


if __name__ == "__main__":
    main()
