"""Train and test as an audit needs them: the same bits of the same network, and not the same examples."""

import numpy as np

from hashlens.codes.codes import Codes, aligned
from hashlens.errors import AuditError
from hashlens.measures.grouping import keys_of
from hashlens.result import Split


def train_and_test(train: Codes, test: Codes) -> Split[Codes]:
    """Return the two with one layout, after checking that they can be what they are called.

    Raises
    ------
    AuditError
        If one is empty, the test rows are training rows, or the two were given in the wrong order.
    CodesError
        If they are not the same bits of the same network.
    """
    for name, codes in (("train", train), ("test", test)):
        if not isinstance(codes, Codes):
            raise AuditError(f"{name} must be Codes, as hashlens.encode gives them, received {type(codes).__name__}")
        if len(codes) == 0:
            raise AuditError(f"{name} has no rows: there is nothing to compare")
    split = Split(*aligned([train, test]))
    parts = [_part(codes) for codes in (train, test)]
    if parts[0].startswith("test") and parts[1].startswith("train"):
        raise AuditError(
            f"train and test are swapped: train comes from {train.provenance.data} and test from {test.provenance.data}"
        )
    if train is test or _all_within(split.test, split.train):
        raise AuditError(
            f"each of the {len(test):,} test codes is also the code of a training example: the same examples were "
            "given as train and as test, or the test set is a part of the training set"
        )
    return split


def _part(codes: Codes) -> str:
    """Return what stands behind the # of the data's name."""
    return codes.provenance.data.rpartition("#")[2] if "#" in codes.provenance.data else ""


def _all_within(test: Codes, train: Codes) -> bool:
    """Return whether every test code occurs in train, up to equal 64-bit hashes."""
    if test.words.shape[1] == 0:
        return False
    return bool(np.isin(keys_of(test.words), keys_of(train.words)).all())
