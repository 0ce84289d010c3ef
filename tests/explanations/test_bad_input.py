"""What cannot be explained: one line that says what is wrong and the way out."""

import numpy as np
import pytest
import torch
from torch import nn

from hashlens.errors import ExplainError, ModelError
from hashlens.explanations import explain

from .networks import Tokens, convolutional, drawn, seeded, stack

IMAGES, ROWS = drawn(2, 2, 12, 12), drawn(3, 5)
NETWORK, TABLE = convolutional(), stack(5, 8, 3)


def function(x):
    return np.ones((len(x), 3)) / 3


class Shaped(nn.Module):
    def __init__(self, how):
        super().__init__()
        self.how = how

    def forward(self, x):
        return self.how(x)


def spoiled(value):
    x = IMAGES.clone()
    x[0, 0, 3, 4] = value
    return x


MISTAKES = {
    "unknown method": ((NETWORK, IMAGES, "grad_cm"), {}, "no method 'grad_cm': did you mean 'grad_cam'?"),
    "method of another type": ((NETWORK, IMAGES, None), {}, "no method None: known: "),
    "unknown layer": ((NETWORK, IMAGES, "grad_cam"), {"layer": "twoo"}, "no layer 'twoo': did you mean 'two'?"),
    "empty layer": ((NETWORK, IMAGES, "score_cam"), {"layer": ""}, "no layer '': known: "),
    "layer never reached": ((Shaped(lambda x: x.mean((2, 3))), IMAGES, "grad_cam"), {}, "no layer with maps"),
    "unknown option": ((NETWORK, IMAGES, "smooth_grad"), {"sample": 3},
                       "smooth_grad has no option 'sample': did you mean 'samples'?"),
    "misspelt argument": ((NETWORK, IMAGES, "gradient"), {"traget": 3},
                          "gradient has no option 'traget': did you mean 'target'?"),
    "unknown kind": ((NETWORK, IMAGES, "gradient"), {"kind": "picture"},
                     "no kind 'picture': use image, signal, spectrogram, table or text"),
    "a kind that the method does not take": ((TABLE, ROWS, "grad_cam"), {},
                                             "grad_cam does not explain a table, only: image"),
    "a text": ((TABLE, "some words", "gradient"), {},
               "gradient does not explain a text, only: image, signal, spectrogram, table"),
    "target too large": ((NETWORK, IMAGES, "gradient"), {"target": 4},
                         "target 4 is out of range: the model gives 4 scores; use 0 to 3"),
    "target negative": ((NETWORK, IMAGES, "gradient"), {"target": [0, -1]}, "target -1 is out of range"),
    "too many targets": ((NETWORK, IMAGES, "gradient"), {"target": [0, 1, 2]},
                         "target must be one class or 2 classes, one for each example, received 3"),
    "no targets": ((NETWORK, IMAGES, "gradient"), {"target": []}, "target must be one class or 2"),
    "target of another type": ((NETWORK, IMAGES, "gradient"), {"target": 1.5},
                               "target must be a class by number or name, received 1.5"),
    "target by an unknown name": ((NETWORK, IMAGES, "gradient"), {"target": "dgo", "class_names": ["cat", "dog"]},
                                  "no class 'dgo': did you mean 'dog'?"),
    "target by name without names": ((NETWORK, IMAGES, "gradient"), {"target": "dog"},
                                     "no class 'dog': give class_names"),
    "names that are one text": ((NETWORK, IMAGES, "gradient"), {"class_names": "cat"},
                                "class_names must be a list of names, received 'cat'"),
    "NaN": ((NETWORK, spoiled(float("nan")), "gradient"), {}, "x: 1 of 576 numbers are NaN or infinite"),
    "infinity": ((NETWORK, spoiled(float("inf")), "gradient"), {}, "x: 1 of 576 numbers are NaN or infinite"),
    "NaN in the background": ((NETWORK, IMAGES, "contrast"), {"background": spoiled(float("nan"))},
                              "background: 1 of 576 numbers are NaN or infinite"),
    "no examples": ((NETWORK, IMAGES[:0], "gradient"), {},
                    "x must hold at least one example (n, ...), received (0, 2, 12, 12)"),
    "an empty list": ((TABLE, [], "gradient"), {}, "x must hold at least one example (n, ...), received"),
    "a single number": ((TABLE, 3.0, "gradient"), {}, "x must hold at least one example (n, ...), received ()"),
    "no input": ((NETWORK, None, "gradient"), {}, "gradient explains examples: give x, images (n, c, h, w), rows"),
    "words for numbers": ((TABLE, [["a", "b"]], "gradient"), {}, "x must be an array of numbers, received [['a', 'b']"),
    "ragged rows": ((TABLE, [[1, 2], [3]], "gradient"), {}, "x must be an array of numbers, received [[1, 2], [3]]"),
    "five axes": ((NETWORK, drawn(1, 2, 3, 4, 5), "gradient"), {},
                  "images are (n, c, h, w), received (1, 2, 3, 4, 5): give kind='table' for examples of another shape"),
    "gradients of a function": ((function, ROWS, "gradient"), {},
                                "gradient needs the gradients of a torch.nn.Module, received a plain function: use "
                                "lime, cle, kernel_shap or anchor"),
    "a map of a function": ((function, IMAGES, "score_cam"), {}, "score_cam needs the gradients of a torch.nn.Module"),
    "no model": ((None, IMAGES, "gradient"), {}, "model must be a torch.nn.Module or a function, received NoneType"),
    "a map of tokens": ((seeded(Tokens).double(), drawn(1, 1, 12, 12), "grad_cam"), {"layer": "block"},
                        "layer 'block' gives activations (1, 10, 8), a map needs (n, c, h, w): give reshape=fn, for a "
                        "transformer lambda a: a[:, 1:].transpose(1, 2).unflatten(2, (h, w)), or another layer"),
    "a reshape that does not": ((seeded(Tokens).double(), drawn(1, 1, 12, 12), "score_cam"),
                                {"layer": "block", "reshape": lambda a: a[:, 1:]}, "layer 'block' gives activations"),
    "no background to contrast": ((NETWORK, IMAGES, "contrast"), {}, "contrast needs examples to compare with x: give"),
    "a background of another shape": ((TABLE, ROWS, "ig"), {"background": drawn(4, 6)},
                                      "background must be (m, 5), received (4, 6)"),
    "scores of no classes": ((Shaped(lambda x: x.sum()), ROWS, "gradient"), {},
                             "the model must give a row of scores for each of 3 inputs, (n, K), received ()"),
    "scores of places": ((Shaped(lambda x: x), IMAGES, "gradient"), {}, "the model must give a row of scores for each"),
    "scores that are NaN": ((Shaped(lambda x: x / 0 * 0), ROWS, "gradient"), {},
                            "the model gives NaN or infinite scores for x: nothing can be explained"),
    "slopes that are infinite": ((Shaped(lambda x: x.abs().sqrt()), 0 * ROWS, "gradient"), {},
                                 "gradient: 15 of 15 values are NaN or infinite, because the model has no gradient"),
    "batch_size 0": ((NETWORK, IMAGES, "gradient"), {"batch_size": 0},
                     "batch_size must be a whole number, 1 or more, received 0"),
    "seed -1": ((NETWORK, IMAGES, "gradient"), {"seed": -1}, "seed must be a whole number, 0 or more, received -1"),
    "no samples": ((NETWORK, IMAGES, "smooth_grad"), {"samples": 0}, "samples must be a whole number, 1 or more"),
    "negative noise": ((NETWORK, IMAGES, "smooth_grad"), {"noise": -1}, "noise must be a number, 0 or more"),
    "no steps": ((NETWORK, IMAGES, "ig"), {"steps": 0}, "steps must be a whole number, 1 or more, received 0"),
    "an array for a kind": (
        (NETWORK, IMAGES, "gradient"), {"kind": np.arange(3)}, "no kind array([0, 1, 2]): use image"),
    "an image for a kind": ((NETWORK, IMAGES, "gradient"), {"kind": IMAGES}, "no kind tensor([[[["),
    "an image for a method": ((NETWORK, IMAGES, IMAGES), {}, "no method tensor([[[["),
    "target far too large": ((NETWORK, IMAGES, "gradient"), {"target": 10**30}, "target 1000000000"),
    "targets that are images": ((NETWORK, IMAGES, "gradient"), {"target": IMAGES}, "target must be a class by number"),
    "layer that is a module": ((NETWORK, IMAGES, "grad_cam"), {"layer": NETWORK.two},
                               "layer must be a name, as model.named_modules() has it, received Conv2d("),
    "layer of a code that is a number": ((NETWORK, IMAGES, "code_inversion"), {"layers": 3},
                                         "layers must be globs over layer names, or None for all, received 3"),
    "reshape that is a shape": ((NETWORK, IMAGES, "grad_cam"), {"reshape": (3, 3)},
                                "reshape must be a function, received (3, 3)"),
    "reshape that fails": ((NETWORK, IMAGES, "grad_cam"), {"layer": "two", "reshape": lambda a: a.reshape(7, 7)},
                           "reshape fails on activations (2, 8, 6, 6): shape '[7, 7]' is invalid"),
    "reshape that loses inputs": ((NETWORK, IMAGES, "inversion"), {"layer": "two", "reshape": lambda a: a[:1]},
                                  "reshape must return activations of all 2 inputs, (n, ...), returned (1, 8, 6, 6)"),
    "tokenizer that is a word": ((function, "a b", "lime"), {"tokenizer": "split"}, "tokenizer must be a function"),
    "relu in words": ((NETWORK, IMAGES, "grad_cam"), {"relu": "no"}, "relu must be True or False, received 'no'"),
    "exact of an array": ((TABLE, ROWS, "ig"), {"exact": np.arange(3)}, "exact must be True or False, received array("),
    "infinite noise": ((NETWORK, IMAGES, "smooth_grad"), {"noise": float("inf")}, "noise must be a number, 0 or more"),
    "too few names of columns": ((TABLE, ROWS, "gradient"), {"feature_names": ["age"]},
                                 "feature_names must be 5 names, one for each column, received 1"),
    "a background that is not used, of another shape": ((TABLE, ROWS, "region"), {"background": drawn(4, 6)},
                                                        "background must be (m, 5), received (4, 6)"),
    "complex numbers": (
        (TABLE, ROWS + 1j, "gradient"), {}, "x must be real numbers, received complex ones: give x.real"),
    "no scores": ((Shaped(lambda x: None), ROWS, "gradient"), {},
                  "the model must give a row of scores for each of 3 inputs, (n, K), received None: wrap it"),
    "scores by no name": ((Shaped(lambda x: {"out": x.sum()}), ROWS, "gradient"), {},
                          "the model must give a row of scores for each of 3 inputs, (n, K), received {'out': "),
    "scores of no class": ((Shaped(lambda x: x[:, :0]), ROWS, "gradient"), {},
                           "the model must give a row of scores for each of 3 inputs, (n, K), received (3, 0)"),
    "complex scores": (
        (Shaped(lambda x: x + 0j), ROWS, "gradient"), {}, "the model must give a row of scores for each"),
    "labels for scores": ((lambda x: ["cat"] * len(x), IMAGES, "lime"), {}, "the model must give a row of scores for"),
    "contrast of one score": ((stack(5, 4, 1), ROWS, "contrast"), {"background": ROWS, "output": "regression"},
                              "contrast needs classes that exclude each other, but the output is read as "
                              "regression (as declared): use region or integrated_gradients"),
    "tolerance in words": ((NETWORK, IMAGES, "ig"), {"tolerance": "small"}, "tolerance must be a number, 0 or more"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_told_in_one_line(mistake):
    arguments, options, message = MISTAKES[mistake]
    with pytest.raises(ExplainError) as caught:
        explain(*arguments, **options)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("network", [NETWORK, torch.jit.script(TABLE)], ids=["convolutional", "scripted"])
def test_inputs_of_another_shape_are_told_in_one_line(network):
    with pytest.raises(ModelError, match=r"^the model rejects inputs of \(2, 7\) torch.float64: ") as caught:
        explain(network, drawn(2, 7), "gradient")
    assert str(caught.value).endswith("; check the shape that it takes")
    assert "\n" not in str(caught.value)
