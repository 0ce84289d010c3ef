"""One class numbering for train and test examples, matched by class names."""

import logging
from typing import TypeVar

import numpy as np

from hashlens.data.examples import Examples
from hashlens.data.labels import ClassNames, one_numbering

Train = TypeVar("Train", bound=Examples)
Test = TypeVar("Test", bound=Examples)

_log = logging.getLogger("hashlens")


def numbered_as(examples: Train, class_names: ClassNames) -> Train:
    """Return examples with the class numbers of a network, if they have a class name in common.

    A folder without one of the classes numbers the following classes differently from the training data. Classes that
    the network does not have are numbered after its own. If no name matches, as when one side uses words and the other
    codes, the numbers do not change.
    """
    own_names = examples.class_names
    if class_names is None or own_names is None or own_names == class_names or set(own_names).isdisjoint(class_names):
        return examples
    union = tuple(dict.fromkeys([*class_names, *own_names]))
    if len(class_names) > len(set(class_names)):
        return examples
    return examples.renumber_classes(np.array([union.index(name) for name in own_names], np.int64), union)


def with_one_numbering(train: Train, test: Test) -> tuple[Train, Test]:
    """Return train and test with the class numbers of train, matched by name.

    Each source numbers its own names, so a class that is missing from one shifts all following numbers. Classes that
    only test has come last. If one side has no names, its numbers are taken as those of the other, and this is logged.

    Raises
    ------
    DataError
        If class numbers without names do not fit the names of the other side.
    """
    # Labels may be known only batch by batch: the numbers of all named classes are used in their place.
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
        else examples.renumber_classes(new_numbers, names)
        for examples, new_numbers in zip((train, test), numbers, strict=True)
    )
    return renumbered_train, renumbered_test  # type: ignore[return-value]
