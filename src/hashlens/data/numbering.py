"""Train and test examples whose class numbers mean the same names."""

import logging
from typing import TypeVar

import numpy as np

from hashlens.data.examples import Examples
from hashlens.data.labels import ClassNames, one_numbering

Train = TypeVar("Train", bound=Examples)
Test = TypeVar("Test", bound=Examples)

_log = logging.getLogger("hashlens")


def numbered_as(examples: Train, class_names: ClassNames) -> Train:
    """Return examples with the class numbers that a network was trained on, where it knows a class of theirs by name.

    A folder that lacks a class numbers those behind it otherwise than the one that the network was trained on. Classes
    that the network does not know come behind those that it knows. Where it knows none by name, as where one side has
    words and the other codes for them, numbers stay as they are.
    """
    own_names = examples.class_names
    if class_names is None or own_names is None or own_names == class_names or set(own_names).isdisjoint(class_names):
        return examples
    union = tuple(dict.fromkeys([*class_names, *own_names]))
    if len(class_names) > len(set(class_names)):
        return examples
    return examples.numbered(np.array([union.index(name) for name in own_names], np.int64), union)


def with_one_numbering(train: Train, test: Test) -> tuple[Train, Test]:
    """Return both with the class numbers of train, compared by name.

    Names are numbered source by source, so a class that is missing from one shifts all that follow. Classes that only
    test has come last. Where one side has numbers and no names, they are taken as the numbers of the other, which is
    logged.

    Raises
    ------
    DataError
        When numbers without names do not fit the names of the other side.
    """
    # Labels may come with the batches only: places stand for them.
    parts = [
        (
            np.arange(len(examples.class_names)) if examples.class_names is not None else examples.labels,
            examples.class_names,
        )
        for examples in (train, test)
    ]
    numbers, names, note = one_numbering(parts, [train.name, test.name])
    if note:
        _log.warning("%s", note)
    renumbered_train, renumbered_test = (
        examples
        if names is None or examples.class_names in (None, names) or new_numbers is None
        else examples.numbered(new_numbers, names)
        for examples, new_numbers in zip((train, test), numbers, strict=True)
    )
    return renumbered_train, renumbered_test  # type: ignore[return-value]
