import numpy as np
import torch

from hashlens.codes.packed_row import PackedRow


def filled(row, n, widths, in_place=lambda at: True):
    row.start()
    for at, width in enumerate(widths):
        part = row.next_part(n, width) if in_place(at) else np.zeros((n, width), np.uint8)
        assert not part.any()
        part[:] = at + 1
        row.append(part)
    return row.join()


def expected(n, widths):
    return np.tile(np.repeat(np.arange(1, len(widths) + 1, dtype=np.uint8), widths), (n, 1))


def test_parts_stand_side_by_side_in_every_batch():
    row, rows = PackedRow(), []
    for n, widths in [(3, [8, 16, 8]), (3, [8, 16, 8]), (2, [8, 16, 8]), (2, [8, 24]), (2, [8, 16, 8]), (2, [8, 16])]:
        rows.append((filled(row, n, widths), expected(n, widths)))
    for found, right in rows:  # no batch writes over one before
        assert np.array_equal(found, right)


def test_parts_that_were_made_apart_are_put_in_place():
    row = PackedRow()
    filled(row, 2, [8, 16, 8])
    for in_place in (lambda at: at != 1, lambda at: at == 1, lambda at: False):
        assert np.array_equal(filled(row, 2, [8, 16, 8], in_place), expected(2, [8, 16, 8]))


def test_from_the_second_batch_on_nothing_is_joined():
    row = PackedRow()
    filled(row, 2, [8, 16])
    row.start()
    parts = []
    for width in (8, 16):
        parts.append(row.next_part(2, width))
        row.append(parts[-1])
    rows = row.join()
    assert all(np.shares_memory(part, rows) for part in parts)


def test_a_batch_that_failed_leaves_nothing():
    row = PackedRow()
    filled(row, 2, [8, 16])
    row.start()
    row.append(row.next_part(2, 8))
    assert np.array_equal(filled(row, 3, [8, 16]), expected(3, [8, 16]))


def test_tensors_are_joined_as_tensors():
    row = PackedRow()
    row.append(torch.ones(2, 8, dtype=torch.uint8))
    row.append(torch.zeros(2, 8, dtype=torch.uint8))
    assert row.join().tolist() == [[1] * 8 + [0] * 8] * 2
