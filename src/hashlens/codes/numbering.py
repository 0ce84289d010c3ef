"""Codes whose class numbers mean the same names: what every comparison of labels goes through."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from hashlens.data.labels import one_numbering
from hashlens.errors import CodesError, HashlensError

if TYPE_CHECKING:
    from hashlens.codes.codes import Codes


def numbered_alike(
    codes: Sequence["Codes"], sources: Sequence[str] = (), error: type[HashlensError] = CodesError
) -> tuple[list["Codes"], str]:
    """Return codes with their labels in one numbering, that of the first which has class names.

    Parameters
    ----------
    codes : sequence of Codes
        In the order of precedence: training codes first.
    sources : sequence of str
        What to call each in messages; by default their data.
    error : type
        What is raised.

    Returns
    -------
    codes : list of Codes
        The same objects where nothing had to change.
    note : str
        What to know of the comparison; empty where all have names, or none.

    Raises
    ------
    HashlensError
        When labels without names do not fit the names of the others.
    """
    names = sources or [part.provenance.data for part in codes]
    labels, union, note = one_numbering([(part.labels, part.class_names) for part in codes], names, error)
    return [
        part if own is part.labels and union == part.class_names else replace(part, labels=own, class_names=union)
        for part, own in zip(codes, labels, strict=True)
    ], note
