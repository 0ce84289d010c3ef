"""Confidence intervals of shares."""


def clopper_pearson(hits: float, trials: float, confidence: float) -> tuple[float, float]:
    """Return the exact (Clopper-Pearson) confidence interval of a share.

    Parameters
    ----------
    hits, trials : float
        Numbers of successes and of trials; effective numbers if trials are weighted.
    confidence : float
        Confidence level, such as 0.95.

    Examples
    --------
    >>> low, high = clopper_pearson(10, 10, 0.95)
    >>> round(low, 4), high
    (0.6915, 1.0)
    """
    from scipy.stats import beta  # binomtest accepts only integers

    tail = (1 - confidence) / 2
    low = float(beta.ppf(tail, hits, trials - hits + 1)) if hits else 0.0
    high = float(beta.ppf(1 - tail, hits + 1, trials - hits)) if hits < trials else 1.0
    return low, high
