import numpy as np
import pytest
import torch

from hashlens import regions
from hashlens.errors import ExplainError
from hashlens.explanations import explain

from .networks import convolutional, drawn, stack

NETWORK = stack(6, 24, 24, 4, seed=3)
ROWS, BACKGROUND = 3 * drawn(8, 6, seed=1), 3 * drawn(60, 6, seed=2)


def classes(network, x):
    with torch.no_grad():
        return network(torch.as_tensor(x)).argmax(1).numpy()


@pytest.fixture(scope="module")
def found():
    return explain(NETWORK, ROWS, "contrast", background=BACKGROUND)


def test_the_neighbour_is_the_nearest_of_another_class_in_the_code(found):
    codes, held = (regions.at(NETWORK, x).code.unpack() for x in (ROWS, BACKGROUND))
    own, theirs = classes(NETWORK, ROWS), classes(NETWORK, BACKGROUND)
    for row in range(len(ROWS)):
        distances = (codes[row] != held).sum(axis=1)
        distances[theirs == own[row]] = distances.max() + 1
        assert found.diagnostics["neighbour"][row] == distances.argmin()
        assert found.diagnostics["hamming_distance"][row] == distances.min()
        assert sum(found.diagnostics["bits_by_layer"][row].values()) == distances.min()


def test_the_change_is_the_smallest_on_the_way_that_turns_the_answer(found):
    own = classes(NETWORK, ROWS)
    assert (classes(NETWORK, ROWS.numpy() + found.values) == found.diagnostics["turns_to_class"]).all()
    assert (np.array(found.diagnostics["turns_to_class"]) != own).all()
    for share in np.linspace(0, 1 - 1e-6, 500):
        assert (classes(NETWORK, ROWS.numpy() + share * found.values) == own).all()
    assert found.diagnostics["length_of_change"] == pytest.approx(np.linalg.norm(found.values, axis=1))
    # It lies on the straight way to the neighbour.
    way = BACKGROUND.numpy()[found.diagnostics["neighbour"]] - ROWS.numpy()
    assert found.values == pytest.approx(np.array(found.diagnostics["share_of_the_way"])[:, None] * way)


def test_units_that_separate_are_told_in_the_order_in_which_they_flip(found):
    for row in range(len(ROWS)):
        told = found[row].diagnostics
        end = BACKGROUND[told["neighbour"]]
        shares = torch.linspace(0, 1, 20_001, dtype=torch.float64)
        codes = regions.at(NETWORK, ROWS[row] + shares[:, None] * (end - ROWS[row])).code
        bits = codes.unpack()
        differ = np.flatnonzero(bits[0] != bits[-1])
        settled = {str(unit): 1 - (bits[::-1, bit] != bits[-1, bit]).argmax() / 20_000
                   for bit, unit in zip(differ, regions.Units(codes.layers, differ), strict=True)}  # fmt: skip
        first = sorted(settled, key=settled.get)[:20]
        assert told["flipped_after"] == sorted(told["flipped_after"])
        assert told["flipped_after"] == pytest.approx([settled[unit] for unit in first], abs=1e-4)
        assert told["flipped_after"] == pytest.approx([settled[unit] for unit in told["units_that_separate"]], abs=1e-4)
        assert told["all_flipped_after"] == pytest.approx(max(settled.values()), abs=1e-4)
        before = sum(share <= told["share_of_the_way"] for share in settled.values())
        assert told["flipped_before_the_turn"] == pytest.approx(before, abs=1)


def test_an_image_is_shown_after_the_change():
    network, x = convolutional(), drawn(2, 2, 12, 12, seed=5)
    background = drawn(20, 2, 12, 12, seed=6) * 3
    found = explain(network, x, "contrast", background=background)
    assert found.image == pytest.approx(found.inputs + found.values)
    assert (classes(network, found.image) != found.target).all()
    titles = [name for figure in found.figures() for name in figure.names]
    assert titles == ["input", "after the change", "change"] * 2


def test_the_prediction_is_the_score_of_the_class(found):
    with torch.no_grad():
        assert found.prediction == pytest.approx(NETWORK(ROWS).max(dim=1).values.numpy(), abs=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "contrast needs examples to compare with x: give background="),
        ({"background": BACKGROUND[:, :5]}, r"background must be \(m, 6\), received \(60, 5\)"),
        ({"background": ROWS[:1]}, "all 1 background examples are predicted as class"),
        ({"background": BACKGROUND, "target": "not"}, "contrast explains the predicted class, . for example 0:"),
    ],
)
def test_what_cannot_be_contrasted_is_told_in_one_line(options, message):
    if options.get("target"):
        options = options | {"target": int(classes(NETWORK, ROWS)[0] + 1) % 4}
    with pytest.raises(ExplainError, match=message) as caught:
        explain(NETWORK, ROWS[:1], "contrast", **options)
    assert "\n" not in str(caught.value)


def test_a_way_in_steps_turns_at_the_same_place_and_tells_units_to_a_step(found):
    stepped = explain(NETWORK, ROWS, "contrast", background=BACKGROUND, steps=128)
    assert stepped.values == pytest.approx(found.values, abs=1e-12)
    for row in range(len(ROWS)):
        one, other = stepped[row].diagnostics, found[row].diagnostics
        assert one["turns_to_class"] == other["turns_to_class"]
        assert one["hamming_distance"] == other["hamming_distance"]
        after = np.array(other["flipped_after"])
        assert ((np.array(one["flipped_after"]) >= after - 1e-12) & (one["flipped_after"] <= after + 2 / 128)).all()
    assert set(stepped.diagnostics["steps"]) == {128}
    assert set(found.diagnostics["steps"]) == {1}


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_the_network_itself_gives_the_changed_example_another_class(dtype):
    """In the network's own dtype: float64 says where the answer turns, and rounding may hold it a little longer."""
    network = stack(6, 24, 24, 4, seed=3).to(dtype)
    x, background = (3 * drawn(100, 6, seed=4)).to(dtype), (3 * drawn(60, 6, seed=2)).to(dtype)
    found = explain(network, x, "contrast", background=background)
    changed = torch.as_tensor(found.inputs).double() + torch.as_tensor(found.values)
    now = classes(network, changed.to(dtype))
    assert (now != found.target).all()
    assert (now == found.diagnostics["turns_to_class"]).all()
    assert found.notes == ()
    assert max(found.diagnostics["stepped_past"]) <= {torch.float64: 1e-9, torch.float32: 1e-3}.get(dtype, 1)


def test_the_column_says_what_the_values_are(found):
    assert "change" in str(found)
    assert "change" in {figure.x_label for figure in found.figures()}


def test_the_answer_of_one_logit_is_turned_whatever_the_batch():
    network = stack(5, 8, 1, seed=4).float()
    with torch.no_grad():
        network[-1].bias -= network(drawn(100, 5, seed=3).float()).amax()  # class 1 is rare, and never sure
    x, background = drawn(60, 5, seed=1).float(), 2 * drawn(100, 5, seed=2).float()
    found = explain(network, x, "contrast", background=background)
    made = (x.double() + torch.as_tensor(found.values)).float()
    with torch.no_grad():
        assert ((network(made) > 0) != (network(x) > 0)).all()
        assert ((torch.cat([network(row[None]) for row in made]) > 0) != (network(x) > 0)).all()
    assert not any("does not change" in note for note in found.notes)
