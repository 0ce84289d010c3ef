"""Checks of the codes of train and test: the same bits of the same network, and not the same examples."""

import logging
from math import sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from hashlens.audit.local_ratio import Rows
from hashlens.codes.codes import Codes, align_layouts
from hashlens.codes.numbering import codes_with_one_numbering
from hashlens.data.input_digests import Digests
from hashlens.errors import AuditError
from hashlens.measures.grouping import keys_of
from hashlens.result import Split

Keys = npt.NDArray[Any]
_log = logging.getLogger("hashlens")
FEW = 10
"""Number of distinct rows up to which equal frequencies may be chance."""
SURE = 1e-6
"""Probability below which it is not taken for chance that every test row is in train."""


def train_and_test(train: Codes, test: Codes) -> Split[Codes]:
    """Return train and test with one layout and one class numbering, after checking that they were not mixed up.

    Examples are compared by the digests of their inputs, or by their codes where there are no digests. Codes of narrow
    networks, and rows of tables, often repeat. So a test set that lies wholly within train is an error only where that
    is very unlikely by chance, given how often rows repeat.

    Raises
    ------
    AuditError
        If a set is empty, the test rows are training rows, or train and test are swapped.
    CodesError
        If train and test are not the same bits of the same network.
    """
    for name, codes in (("train", train), ("test", test)):
        if not isinstance(codes, Codes):
            raise AuditError(f"{name} must be Codes, as hashlens.encode gives them, received {type(codes).__name__}")
        if len(codes) == 0:
            raise AuditError(f"{name} has no rows: there is nothing to compare")
    (train_codes, test_codes), note = codes_with_one_numbering(align_layouts([train, test]), error=AuditError)
    if note:
        _log.warning("%s", note)
    split = Split(train_codes, test_codes)
    parts = [_part(codes) for codes in (train, test)]
    if parts[0].startswith("test") and parts[1].startswith("train"):
        raise AuditError(
            f"train and test are swapped: train comes from {train.provenance.data} and test from {test.provenance.data}"
        )
    digests = input_keys(split)
    noun, keys = ("codes", _code_keys(split)) if digests is None else ("inputs", digests)
    if train is test or (keys is not None and _all_within(keys)):
        raise AuditError(
            f"each of the {len(test):,} test {noun} is also that of a training example: train and test are "
            "the same examples, or test is a part of train"
        )
    return split


def input_keys(codes: Split[Codes]) -> Split[Keys] | None:
    """Return one comparable key for each input of train and of test, or None where their digests cannot be compared.

    They cannot be compared if one set has none, or if the network received inputs of another dtype.
    """
    train, test = codes.train.input_digests, codes.test.input_digests
    if train is None or test is None or codes.train.provenance.dtype != codes.test.provenance.dtype:
        return None
    return Split(_keys(train), _keys(test))


def repeat_rate(keys: Keys) -> float:
    """Return the share of rows that equal another row, from 0 to 1.

    >>> repeat_rate(np.array([3, 1, 3, 2]))
    0.5
    """
    counts = np.unique(keys, return_counts=True)[1]
    return float(counts[counts > 1].sum() / len(keys))


def ordinary_rate(keys: Split[Keys]) -> float:
    """Return the probability that a test row equals a training row without a leak, from 0 to 1.

    It is the share of training rows that equal another one. If test is the larger set, it is estimated from the repeats
    within test. If test has clearly fewer repeats than a training sample of the same size, rows of train were repeated
    on purpose, and the estimate is from test too.
    """
    train, test = _without_repeats(keys.train), keys.test
    n, m = len(train), len(test)
    if min(n, m) < 2:
        return repeat_rate(train)
    if m > n:
        return _match_probability(test, n)
    expected_matches = m * _match_probability(train, m - 1)
    if m * repeat_rate(test) < expected_matches - 3 * sqrt(expected_matches):
        return _match_probability(test, len(np.unique(train)))
    return repeat_rate(train)


def _without_repeats(keys: Keys) -> Keys:
    """Return the keys of a set; one copy of it if the set is several copies of the same rows."""
    different, counts = np.unique(keys, return_counts=True)
    times = int(np.gcd.reduce(counts))
    return np.repeat(different, counts // times) if times > 1 and len(different) > FEW else keys


def _match_probability(keys: Keys, draws: int) -> float:
    """Return the probability that a row equals one of `draws` rows drawn from the others."""
    counts = np.unique(keys, return_counts=True)[1]
    return float(np.sum(counts * (1 - (1 - (counts - 1) / (len(keys) - 1)) ** draws)) / len(keys))


def first_rows(keys: Keys) -> Rows:
    """Return for each row the first row with the same key, int64.

    >>> first_rows(np.array([3, 1, 3, 2])).tolist()
    [0, 1, 0, 3]
    """
    _, firsts, position = np.unique(keys, return_index=True, return_inverse=True)
    return np.asarray(firsts[position].ravel())


def _part(codes: Codes) -> str:
    """Return the part of the data's name after the #."""
    return codes.provenance.data.rpartition("#")[2] if "#" in codes.provenance.data else ""


def _keys(digests: Digests) -> Keys:
    return np.ascontiguousarray(digests).view(np.dtype((np.void, digests.shape[1]))).ravel()


def _code_keys(codes: Split[Codes]) -> Split[Keys] | None:
    if codes.test.words.shape[1] == 0:
        return None
    return Split(keys_of(codes.train.words), keys_of(codes.test.words))


def _all_within(keys: Split[Keys]) -> bool:
    """Return whether every test key occurs in train, and this is very unlikely by chance.

    The probability by chance follows from :func:`ordinary_rate`.
    """
    if not np.isin(keys.test, keys.train).all():
        return False
    return bool(ordinary_rate(keys) ** len(keys.test) < SURE)
