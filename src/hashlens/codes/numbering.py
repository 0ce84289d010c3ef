"""Codes with one class numbering: every comparison of labels uses it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from hashlens.data.labels import one_numbering
from hashlens.errors import CodesError, HashlensError

if TYPE_CHECKING:
    from hashlens.codes.codes import Codes


def codes_with_one_numbering(
    codes: Sequence["Codes"], sources: Sequence[str] = (), error: type[HashlensError] = CodesError
) -> tuple[list["Codes"], str]:
    """Return codes with their labels in one numbering, that of the first codes with class names.

    Parameters
    ----------
    codes : sequence of Codes
        Codes in order of precedence: training codes first.
    sources : sequence of str
        Name of each in messages; by default the name of its data.
    error : type
        Class of the error raised.

    Returns
    -------
    codes : list of Codes
        The codes; the same objects where nothing had to change.
    note : str
        A note if some codes have class names and others do not; otherwise empty.

    Raises
    ------
    HashlensError
        If class numbers without names do not fit the names of the others.
    """
    names = sources or [part.provenance.data for part in codes]
    labels, union, note = one_numbering([(part.labels, part.class_names) for part in codes], names, error)
    return [
        part if own is part.labels and union == part.class_names else replace(part, labels=own, class_names=union)
        for part, own in zip(codes, labels, strict=True)
    ], note
