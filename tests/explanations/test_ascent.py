import pytest
import torch

from hashlens.explanations.ascent import Adam, InputRange, ascend, input_range_of, total_variation, unit_rows
from hashlens.explanations.request import Request
from hashlens.explanations.subject import Subject

from .networks import drawn


def asked(kind, x=None, background=None):
    none = torch.zeros(0)
    return Request(Subject(None, None, 64), kind, x, (), none, none, background=background)


def test_adam_is_that_of_torch():
    start, pull = drawn(3, 5, dtype=torch.float64), drawn(3, 5, seed=1)
    theirs = start.clone().requires_grad_()
    optimizer = torch.optim.Adam([theirs], lr=0.1, eps=1e-12)
    ours, way = start.clone(), Adam(start)
    for _ in range(50):
        theirs.grad = (theirs.detach() - pull) ** 3
        optimizer.step()
        ours = ours + 0.1 * way.step((ours - pull) ** 3)
    assert ours == pytest.approx(theirs.detach(), abs=1e-9)


def test_total_variation_of_a_step_is_its_height_times_its_length():
    image = torch.zeros(1, 1, 6, 8, dtype=torch.float64)
    image[..., 4:] = 3.0
    assert float(total_variation(image)) == pytest.approx(6 * 3.0, rel=0.1)
    assert float(total_variation(image)) > float(total_variation(image / 2)) > float(total_variation(0 * image))


def test_rows_have_unit_size_and_zeros_stay():
    rows = drawn(3, 2, 4, 4) * torch.tensor([1e-20, 1e5, 0.0], dtype=torch.float64).reshape(3, 1, 1, 1)
    size = unit_rows(rows).flatten(1).square().mean(dim=1)
    assert size.tolist() == pytest.approx([1, 1, 0])


def test_ascent_climbs_to_the_top_of_a_hill():
    top = drawn(2, 1, 6, 6, seed=4).clamp(-0.9, 0.9)
    found = ascend(lambda x: -(x - top).square().sum(), torch.zeros_like(top), InputRange(-1, 1), steps=400,
                   step_size=0.1, smoothness=0.0, smallness=0.0, shifts=[[0, 0]] * 400)  # fmt: skip
    assert found == pytest.approx(top, abs=0.05)


def test_what_is_the_same_everywhere_climbs_the_same_when_rolled():
    generator = torch.Generator().manual_seed(0)
    shifts = torch.randint(-3, 4, (50, 2), generator=generator).tolist()
    options = {"steps": 50, "step_size": 0.1, "smoothness": 0.2, "smallness": 0.5}
    plain, rolled = (ascend(lambda x: x.pow(3).sum(), drawn(1, 1, 6, 6), InputRange(-1, 1), shifts=each, **options)
                     for each in ([[0, 0]] * 50, shifts))  # fmt: skip
    assert plain == pytest.approx(rolled)


def test_images_have_a_range_and_columns_a_spread():
    images = drawn(50, 3, 4, 4) * torch.tensor([1.0, 0.1, 2.0], dtype=torch.float64).reshape(3, 1, 1)
    room = input_range_of(asked("image", background=images))
    assert (room.low, room.high) == (float(images.min()), float(images.max()))
    assert room.centre.flatten() == pytest.approx(images.mean(dim=(0, 2, 3)), abs=1e-6)
    rows = drawn(50, 3) * torch.tensor([1.0, 0.1, 2.0], dtype=torch.float64)
    room = input_range_of(asked("table", background=rows))
    assert (room.low, room.high) == (-torch.inf, torch.inf)
    assert room.scale == pytest.approx(rows.std(dim=0))
    assert input_range_of(asked("table", x=torch.tensor([[1000.0, 0.1]]))).scale.tolist() == [1000, 1]


def test_bounds_go_before_examples():
    room = input_range_of(asked("image", background=10 + drawn(5, 1, 4, 4)), (-1, 2))
    assert (room.low, room.high, float(room.centre)) == (-1, 2, 2)
    assert input_range_of(asked("image")).scale == 1
    assert input_range_of(asked("image"), (0, 255)).scale == 255
