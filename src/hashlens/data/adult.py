"""Adult: incomes above 50,000 dollars in the census of 1994."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from hashlens.data.address import Address
from hashlens.data.arrays import from_arrays
from hashlens.data.examples import ArrayExamples
from hashlens.data.reading import reading
from hashlens.errors import DataError, MissingExtraError

OPENML_ID = 1590
# The first 32,561 of the 48,842 rows are the training file of the original data.
TRAIN_ROWS = 32561


def open_adult(address: Address) -> ArrayExamples:
    """Return Adult as float32 ``(n, d)`` from OpenML, through scikit-learn and its cache.

    References
    ----------
    B. Becker, R. Kohavi, *Adult*, UCI Machine Learning Repository, 1996; OpenML data set 1590.

    Raises
    ------
    MissingExtraError
        If pandas is not installed; scikit-learn needs it to read the data.
    DataError
        If the data cannot be downloaded and are not in the cache.
    """
    split = address.choose(["train", "test"])
    try:
        import pandas  # noqa: F401
    except ImportError:
        raise MissingExtraError("pandas", "openml", address.text) from None
    from sklearn.datasets import fetch_openml

    # OSError: no network. ValueError: OpenML's own errors, and a file that does not match its checksum.
    with reading(f"{address.text}: OpenML data set {OPENML_ID}", OSError, ValueError, hint="is there a network?"):
        bunch = fetch_openml(data_id=OPENML_ID, as_frame=True, parser="pandas")
    columns = {str(name): bunch.data[name].to_numpy() for name in bunch.data.columns}
    table = table_inputs(columns, TRAIN_ROWS)
    adult = from_arrays(table, [str(label) for label in bunch.target], name=address.text)
    return adult.narrow(None, TRAIN_ROWS) if split == "train" else adult.narrow(TRAIN_ROWS)


def table_inputs(columns: Mapping[str, npt.NDArray[Any]], train_rows: int) -> npt.NDArray[np.float32]:
    """Return a table as numbers; means, standard deviations and categories come from the training rows only.

    Parameters
    ----------
    columns : mapping of str to numpy.ndarray
        ``(n,)`` each. Numeric columns are standardised. Other columns are one-hot encoded; a missing value is a
        separate category, and a category that no training row has is encoded as zeros.
    train_rows : int
        Number of training rows; they come first.

    Returns
    -------
    numpy.ndarray
        float32 ``(n, d)``: the numeric columns, then the categorical ones, each in the order of `columns`.

    Raises
    ------
    DataError
        If a number is missing.
    """
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    parts: list[npt.NDArray[np.float32]] = []
    numbers = [name for name, values in columns.items() if values.dtype.kind in "iuf"]
    if numbers:
        table = np.stack([columns[name].astype(np.float64) for name in numbers], axis=1)
        if np.isnan(table).any():
            row, column = np.argwhere(np.isnan(table))[0]
            raise DataError(f"column {numbers[column]!r} has no number in row {row}; fill it in or leave the row out")
        parts.append(StandardScaler().fit(table[:train_rows]).transform(table).astype(np.float32))
    categories = [name for name in columns if name not in numbers]
    if categories:
        texts = np.stack([_texts(columns[name]) for name in categories], axis=1)
        encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False, dtype=np.float32)
        parts.append(encoder.fit(texts[:train_rows]).transform(texts))
    return np.concatenate(parts, axis=1)


def _texts(values: npt.NDArray[Any]) -> npt.NDArray[np.object_]:
    # NaN, which marks a missing value, is the only value that differs from itself.
    return np.array(["?" if value is None or value != value else str(value) for value in values], object)
