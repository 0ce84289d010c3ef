"""One class numbering for train and test examples, matched by class names."""

import logging
from typing import TypeVar

import numpy as np

from hashlens.data.examples import Examples
from hashlens.data.labels import ClassNames, one_numbering

Train = TypeVar("Train", bound=Examples)
Test = TypeVar("Test", bound=Examples)

_log = logging.getLogger("hashlens")


def match_class_numbers(examples: Train, class_names: ClassNames) -> Train:
    """Return examples with the class numbers of a network, if they have a class name in common.

    For example, if a class has no sub-folder in a folder of test images, all later classes have smaller numbers than in
    training. So classes are matched by name. Classes that the network does not have are numbered after its own. The
    numbers do not change if no name matches, as when one side has words and the other abbreviations, or if two classes
    of the network have the same name.
    """
    own_names = examples.class_names
    if class_names is None or own_names is None or own_names == class_names or set(own_names).isdisjoint(class_names):
        return examples
    if len(class_names) > len(set(class_names)):
        return examples
    union = tuple(dict.fromkeys([*class_names, *own_names]))
    return examples.renumber_classes(np.array([union.index(name) for name in own_names], np.int64), union)


def with_one_numbering(train: Train, test: Test) -> tuple[Train, Test]:
    """Return train and test with the class numbers of train, matched by name.

    Each source numbers its own names, so a class that is missing from one shifts all following numbers. Classes that
    occur only in test are numbered last. If one side has no names, its numbers are assumed to mean the same classes as
    on the other side, and a warning is logged.

    Raises
    ------
    DataError
        If class numbers without names do not fit the names of the other side.
    """
    # Labels may not be loaded yet. So the numbers of all named classes are mapped, in place of the labels.
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
