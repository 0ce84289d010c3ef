"""How explanations run the model: by a reading, by its fields, or by both."""

import numpy as np
import pytest
import torch

import hashlens as hl
from hashlens.errors import ExplainError
from hashlens.explanations import score_explanation

from .networks import stack

NETWORK = stack(5, 8, 3)
ROWS = torch.randn(6, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
READING = hl.Reading(output="logits", batch_size=2, seed=4, layers="0*", forward=lambda net, x: net(2 * x))


@pytest.mark.parametrize("method", ["gradient", "kernel_shap", "smooth_grad"])
def test_a_reading_explains_as_its_fields_do(method):
    fields = {name: getattr(READING, name) for name in ("output", "batch_size", "seed", "forward")}
    x, how = ROWS[:1], {"background": ROWS}
    by_fields = hl.explain(NETWORK, x, method, **how, **fields)
    by_reading = hl.explain(NETWORK, x, method, **how, reading=READING)
    assert by_reading.output == by_fields.output == "logits (as declared)"
    assert by_reading.diagnostics["model_calls"] == by_fields.diagnostics["model_calls"]
    np.testing.assert_array_equal(by_reading.values, by_fields.values)
    plain = hl.explain(NETWORK, x, method, **how, reading=READING, forward=None)
    assert not np.array_equal(plain.values, by_reading.values)


def test_comparisons_and_scores_take_a_reading():
    compared = hl.compare_explanations(NETWORK, ROWS, ["gradient"], ["deletion_mean"], reading=READING)
    fields = {"output": "logits", "batch_size": 2, "seed": 4, "forward": READING.forward}
    same = hl.compare_explanations(NETWORK, ROWS, ["gradient"], ["deletion_mean"], **fields)
    np.testing.assert_array_equal(compared.values, same.values)
    found = hl.explain(NETWORK, ROWS, "gradient", reading=READING)
    scored = score_explanation(found, NETWORK, ["deletion_mean"], reading=READING)
    assert scored == score_explanation(found, NETWORK, ["deletion_mean"], **fields)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"reading": "gradient"}, "reading must be a hashlens.Reading, received 'gradient'"),
        ({"layers": "0*"}, "gradient has no option 'layers': did you mean 'layer'"),
        ({"batchsize": 3}, "gradient has no option 'batchsize': did you mean 'batch_size'"),
        ({"request": 3}, "gradient has no option 'request'"),
        ({"forward": 3}, "forward must be a function of the network and a batch, received 3"),
    ],
)
def test_what_is_no_reading_is_one_line(arguments, message):
    with pytest.raises(ExplainError, match=message):
        hl.explain(NETWORK, ROWS, "gradient", **arguments)


def test_what_only_networks_have_is_refused_for_functions():
    with pytest.raises(ExplainError, match=r"device= sets how a torch\.nn\.Module is run"):
        hl.explain(lambda x: x[:, :3], ROWS, "kernel_shap", device="cpu")
    found = hl.explain(NETWORK, ROWS, "gradient")
    with pytest.raises(TypeError, match=r"score_explanation\(\) has no argument 'layers'"):
        score_explanation(found, NETWORK, layers="0*")
