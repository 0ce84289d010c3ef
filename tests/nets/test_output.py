"""How a network's output is read: scores, classes and probabilities of each kind."""

from collections import namedtuple
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from hashlens.errors import ModelError
from hashlens.nets.output import KINDS, Output, as_scores, check_output, parts_of

LOGITS = torch.tensor([[0.5, -1.0, 2.0], [3.0, 0.0, -0.5]], dtype=torch.float64)
ONE = torch.tensor([[2.0], [-0.5]], dtype=torch.float64)


def test_every_kind_has_its_probabilities():
    def probabilities(kind, scores):
        return Output(kind, "as declared").probabilities(scores)

    assert torch.equal(probabilities("logits", LOGITS), LOGITS.softmax(1))
    assert torch.equal(probabilities("probabilities", LOGITS.softmax(1)), LOGITS.softmax(1))
    p = ONE.sigmoid()
    assert torch.allclose(probabilities("binary_logit", ONE), torch.cat([1 - p, p], 1), rtol=1e-14)
    assert torch.equal(probabilities("binary_probability", p), torch.cat([1 - p, p], 1))
    assert torch.equal(probabilities("multilabel_logits", LOGITS), LOGITS.sigmoid())
    assert torch.equal(probabilities("multilabel_probabilities", LOGITS.sigmoid()), LOGITS.sigmoid())
    assert torch.equal(probabilities("regression", ONE), ONE)


def test_one_score_tells_two_classes_apart():
    logit, probability = Output("binary_logit", ""), Output("binary_probability", "")
    assert logit.classes(ONE).tolist() == probability.classes(ONE.sigmoid()).tolist() == [1, 0]
    assert logit.class_scores(ONE).tolist() == [[-2, 2], [0.5, -0.5]]
    assert Output("regression", "").classes(ONE) is None


def test_the_softmax_of_logits_is_the_probabilities():
    cases = {"logits": LOGITS, "probabilities": LOGITS.softmax(1), "binary_logit": ONE,
             "binary_probability": ONE.sigmoid()}  # fmt: skip
    for kind, scores in cases.items():
        output = Output(kind, "")
        assert torch.allclose(output.logits(scores).softmax(1), output.probabilities(scores), rtol=1e-12), kind


def test_scores_keep_their_gradients():
    z = ONE.clone().requires_grad_()
    output = Output("binary_logit", "")
    output.class_scores(output.scores(z.flatten(), 2))[:, 0].sum().backward()
    assert z.grad.flatten().tolist() == [-1, -1]


@pytest.mark.parametrize(
    ("raw", "n", "shape"),
    [
        (torch.zeros(5), 5, (5, 1)),
        (torch.zeros(5, 3), 5, (5, 3)),
        (torch.zeros(5, 3, 1, 1), 5, (5, 3)),
        (torch.zeros(7), 1, (1, 7)),
        (torch.zeros(()), 1, (1, 1)),
        (torch.zeros(1, 1), 1, (1, 1)),
        (np.zeros((5, 3)), 5, (5, 3)),
        ([np.zeros(3)] * 5, 5, (5, 3)),
        (torch.zeros(5, 2, 2), 5, None),
        (torch.zeros(4, 3), 5, None),
        (torch.zeros(5, 3) + 0j, 5, None),
        ("scores", 5, None),
        (None, 5, None),
    ],
)
def test_rows_of_scores_are_found_and_a_squeezed_batch_of_one_gets_its_axis_back(raw, n, shape):
    found = as_scores(raw, n)
    assert (None if found is None else tuple(found.shape)) == shape


def test_parts_are_found_by_where_they_are():
    @dataclass
    class Given:
        features: torch.Tensor
        maps: torch.Tensor
        scores: torch.Tensor

    pair = namedtuple("pair", "features scores")
    features, maps, scores = torch.zeros(4, 8), torch.zeros(4, 8, 2, 2), torch.zeros(4, 3)
    assert set(parts_of((features, scores), 4)) == {(0,), (1,)}
    assert set(parts_of(Given(features, maps, scores), 4)) == {("features",), ("scores",)}
    assert set(parts_of(pair(features, scores), 4)) == {("features",), ("scores",)}
    assert set(parts_of({"a": {"b": scores}, "labels": torch.zeros(4, dtype=torch.int64)}, 4)) == {("a", "b")}
    assert Output("logits", "", part=("a", "b")).scores({"a": {"b": scores}}, 4) is scores


def test_what_is_no_kind_meets_one_line():
    with pytest.raises(ModelError, match="no output 'logit': did you mean 'logits'"):
        check_output("logit")
    with pytest.raises(ModelError, match=r"output must be one of logits, .* or a function .* received 3"):
        check_output(3)
    with pytest.raises(ModelError, match="the function output= fails on the output of the model: KeyError: 'scores'"):
        Output("logits", "", select=lambda raw: raw["scores"]).scores({}, 2)
    for kind in KINDS:
        check_output(kind)
