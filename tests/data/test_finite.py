import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hashlens.data import finite
from hashlens.data.arrays import from_arrays
from hashlens.data.finite import require_finite
from hashlens.errors import DataError


def refusal(inputs, dtype=torch.float32):
    """What is said of `inputs`, or None where they are taken."""
    try:
        require_finite("train", from_arrays(inputs), dtype)
    except DataError as error:
        return str(error)
    return None


@given(
    wrong=st.dictionaries(st.integers(0, 39), st.sampled_from([np.nan, np.inf, -np.inf, 1e39]), max_size=5),
    shape=st.sampled_from([(40,), (40, 3), (40, 2, 5)]),
    chunk=st.integers(1, 50),
    contiguous=st.booleans(),
)
def test_the_rows_that_hold_what_is_not_finite_are_counted_in_any_chunks(wrong, shape, chunk, contiguous):
    inputs = torch.zeros(shape, dtype=torch.float64)
    for row, value in wrong.items():
        inputs.view(40, -1)[row, -1] = value
    if not contiguous:
        inputs = inputs.repeat_interleave(2, 0)[::2]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finite, "CHUNK", chunk)
        said = refusal(inputs)
    if not wrong:
        assert said is None
    else:
        assert said.startswith(f"arrays: {len(wrong)} of 40 train examples hold numbers that are not finite in float32")
        assert f"the first in row {min(wrong)}: leave" in said


@pytest.mark.parametrize(
    ("value", "kind", "network", "taken"),
    [
        (1e39, torch.float64, torch.float64, True),
        (1e39, torch.float64, torch.float32, False),
        (3e38, torch.float32, torch.float32, True),
        (7e4, torch.float32, torch.float16, False),
        (float("inf"), torch.float16, torch.float32, False),
        (float("nan"), torch.bfloat16, torch.float32, False),
        (255, torch.uint8, torch.float32, True),
        (2**62, torch.int64, torch.float32, True),
    ],
)
def test_finite_is_what_the_network_can_calculate_with(value, kind, network, taken):
    assert (refusal(torch.tensor([[0, 1], [value, 1]], dtype=kind), network) is None) == taken
