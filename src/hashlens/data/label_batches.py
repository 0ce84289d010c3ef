"""Class labels that come batch by batch, as those of a user's own data set."""

from typing import Any

import numpy as np

from hashlens.data.labels import NO_LABEL, Labels, class_labels, float_labels, require_few
from hashlens.errors import DataError


class LabelBatches:
    """Labels that come batch by batch, checked together: a batch alone does not show that they are regression targets.

    Parameters
    ----------
    name : str
        Name of the source, for messages.
    rows : int, optional
        Number of rows of the source, if it is known. Regression targets are then refused as soon as they can be
        recognised, otherwise only by :meth:`finish`.
    """

    def __init__(self, name: str, rows: int | None = None) -> None:
        self._name, self._rows = name, rows
        self._values, self._count = np.zeros(0), 0

    def add(self, labels: Any, place: str) -> Labels:
        """Return the class numbers of the next batch, int64 ``(b,)``.

        Parameters
        ----------
        labels : tensor, array or sequence
            Class numbers, as in :func:`hashlens.data.labels.class_labels`. Names are not allowed, because each batch
            would number them differently.
        place : str
            Name of the batch, for messages.

        Raises
        ------
        DataError
            If labels are not class numbers, or together with earlier batches are regression targets.
        """
        numbers, class_names = class_labels(labels, place, all_labels=False)
        if class_names:
            raise DataError(f"{place}: labels are names, as {class_names[0]!r}; number the classes in the data set")
        values = float_labels(labels, place)
        if values is not None:
            self._values = np.union1d(self._values, values[values != NO_LABEL])
            self._count += len(values)
            if self._rows is not None:
                require_few(self._values, self._name, seen=self._count, rows=self._rows)
        return numbers

    def finish(self) -> None:
        """Raise DataError if all labels together are the targets of a regression."""
        require_few(self._values, self._name, seen=self._count)
