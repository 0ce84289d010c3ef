"""The floor: how much codes change by rounding when the same examples are encoded again in other batches."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from rich.console import RenderableType

from hashlens.codes.codes import Codes, concatenate, require_same_code
from hashlens.codes.packing import hamming
from hashlens.errors import MeasureError
from hashlens.measures.determinism import redundancy_ratio
from hashlens.result import Result
from hashlens.tables import number, table


@dataclass(frozen=True)
class Floor(Result):
    """Differences between two encodings of the same rows: the effect of rounding.

    Measurements that differ by less than this do not differ by more than rounding.

    Attributes
    ----------
    n : int
        Number of rows.
    mean_flips : float
        Number of bits that differ, averaged over rows.
    max_flips : int
        Largest number of bits that differ in a row.
    changed_rows : float
        Share of rows whose code differs.
    redundancy_ratio : float
        Redundancy ratio R of the 2 n codes of both encodings.
    shortfall : float
        R of two identical encodings minus `redundancy_ratio`; 0 if rounding changes nothing. R of two identical
        encodings is ``(1 + R_1) / 2``, where R_1 is the redundancy ratio of the first encoding.
    """

    n: int
    mean_flips: float
    max_flips: int
    changed_rows: float
    redundancy_ratio: float
    shortfall: float

    def flip_rows(self) -> list[tuple[str, str]]:
        """Return the rows of a table on changed bits: what is counted, and the number as text."""
        return [
            ("changed bits per row, mean", f"{self.mean_flips:.4g}"),
            ("changed bits per row, largest", number(self.max_flips)),
            ("share of rows whose code changes", number(self.changed_rows)),
        ]

    def __rich__(self) -> RenderableType:
        rows = [
            *self.flip_rows(),
            ("R of both encodings together", number(self.redundancy_ratio)),
            ("below that of identical ones by", number(self.shortfall)),
        ]
        return table(f"Floor: the effect of rounding, {self.n:,} rows", ("", ""), rows)


def floor(codes: Codes, again: Codes) -> Floor:
    """Compare two encodings of the same rows, matched by id.

    Parameters
    ----------
    codes, again : Codes
        n rows of the same bits of the same network, with the same ids in any order.

    Raises
    ------
    MeasureError
        If there are no rows, ids repeat, or the two do not have the same ids.
    CodesError
        If the two are not the same bits of the same network.
    """
    require_same_code(codes, again)
    if len(codes) == 0:
        raise MeasureError("the floor needs at least one row, received none")
    first, second = codes.packed, again.packed[matching_rows(codes, again)]
    step = max(1, (1 << 24) // max(1, first.shape[1]))
    flips = np.concatenate([hamming(first[i : i + step], second[i : i + step]) for i in range(0, len(first), step)])
    joint_ratio = redundancy_ratio(concatenate([codes, replace(again, values=codes.values)]))
    identical = (1 + redundancy_ratio(codes)) / 2
    return Floor(
        n=len(codes),
        mean_flips=float(flips.mean()),
        max_flips=int(flips.max()),
        changed_rows=float((flips > 0).mean()),
        redundancy_ratio=joint_ratio,
        shortfall=identical - joint_ratio,
    )


def matching_rows(codes: Codes, again: Codes) -> npt.NDArray[np.int64]:
    """Return the row of `again` with the same id as each row of `codes`, int64 ``(n,)``."""
    if len(codes) != len(again):
        raise MeasureError(f"two encodings of the same rows are needed, not of {len(codes):,} and {len(again):,} rows")
    order, other_order = np.argsort(codes.ids, kind="stable"), np.argsort(again.ids, kind="stable")
    sorted_ids = codes.ids[order]
    if not np.array_equal(sorted_ids, again.ids[other_order]):
        raise MeasureError("the two encodings hold different ids: encode the same examples twice")
    if (sorted_ids[1:] == sorted_ids[:-1]).any():
        raise MeasureError("ids repeat, so rows cannot be matched: give each example an id of its own")
    rows = np.empty(len(codes), np.int64)
    rows[order] = other_order
    return rows
