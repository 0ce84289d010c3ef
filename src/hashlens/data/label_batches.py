"""Class labels that come batch by batch, such as those of a user's own data set."""

from typing import Any

import numpy as np

from hashlens.data.labels import NO_LABEL, Labels, class_labels, float_labels, refuse_regression_targets
from hashlens.errors import DataError


class LabelBatches:
    """Labels that come batch by batch.

    Labels with very many different floating-point values are the targets of a regression, and are refused. One batch
    has too few labels to show this, so the labels of all batches so far are checked together.

    Parameters
    ----------
    name : str
        Name of the source, for messages.
    rows : int, optional
        Number of rows of the source, if it is known. With it, :meth:`add` refuses regression targets as soon as enough
        labels were added to recognise them; without it, only :meth:`finish` does.
    """

    def __init__(self, name: str, rows: int | None = None) -> None:
        self._name, self._rows = name, rows
        self._distinct_values, self._count = np.zeros(0), 0

    def add(self, labels: Any, batch_name: str) -> Labels:
        """Return the class numbers of the next batch, int64 ``(b,)``.

        Parameters
        ----------
        labels : tensor, array or sequence
            Class numbers, as in :func:`hashlens.data.labels.class_labels`. Names are not allowed, because each batch
            would number them differently.
        batch_name : str
            Name of the batch, for messages.

        Raises
        ------
        DataError
            If the labels are not class numbers, or if the labels of all batches so far are regression targets.
        """
        numbers, class_names = class_labels(labels, batch_name, all_labels=False)
        if class_names:
            raise DataError(
                f"{batch_name}: labels are class names, such as {class_names[0]!r}; make the data set return class "
                "numbers 0, 1, ..."
            )
        values = float_labels(labels, batch_name)
        if values is not None:
            self._distinct_values = np.union1d(self._distinct_values, values[values != NO_LABEL])
            self._count += len(values)
            if self._rows is not None:
                refuse_regression_targets(self._distinct_values, self._name, seen=self._count, rows=self._rows)
        return numbers

    def finish(self) -> None:
        """Raise DataError if all labels together are the targets of a regression."""
        refuse_regression_targets(self._distinct_values, self._name, seen=self._count)
