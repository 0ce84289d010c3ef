"""Guided backpropagation: at each gate only positive gradients are passed back."""

from collections.abc import Iterator

import torch
from torch.autograd.graph import Node

from hashlens.codes.gates import is_guard
from hashlens.explanations.explain import explained
from hashlens.explanations.explanation import Explanation
from hashlens.explanations.gradients import gradient_of, integrate, mean_noisy_gradients, row_scores
from hashlens.explanations.request import Request
from hashlens.explanations.subject import Subject

Tensor = torch.Tensor
GATES = ("ReluBackward", "ThresholdBackward", "HardtanhBackward", "LeakyReluBackward", "PreluKernelBackward",
         "RreluWithNoiseBackward", "EluBackward", "GeluBackward",
         "SiluBackward", "SoftplusBackward", "HardswishBackward", "MishBackward",
         "ClampMinBackward", "ClampBackward")  # fmt: skip
"""Autograd's node names of the gates; they are the same for modules, functions, in-place and scripted operators."""
NO_GATE = "no gate was found in the backward pass: these are plain gradients"


def guided_gradients(subject: Subject, x: Tensor, target: Tensor) -> Tensor:
    """Return guided gradients ``(n, ...)``, in batches."""
    size = subject.batch_size
    return torch.cat(
        [
            _batch_gradients(subject, x[start : start + size], target[start : start + size])
            for start in range(0, len(x), size)
        ]
    )


def _batch_gradients(subject: Subject, x: Tensor, target: Tensor) -> Tensor:
    with torch.enable_grad():
        leaf = x.detach().clone().requires_grad_()
        score = row_scores(subject.run(leaf * 1), target)
        hooks = [node.register_hook(_only_positive) for node in gate_nodes(score)]
        try:
            return gradient_of(score, leaf)
        finally:
            for hook in hooks:
                hook.remove()


def _only_positive(inputs: tuple[Tensor | None, ...], outputs: tuple[Tensor | None, ...]) -> tuple[Tensor | None, ...]:
    return (None if inputs[0] is None else inputs[0].clamp(min=0), *inputs[1:])


def gate_nodes(score: Tensor) -> Iterator[Node]:
    """Yield the autograd nodes of all gates that a score was computed through."""
    seen: set[Node] = set()
    waiting = [score.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        guard = is_guard(getattr(node, "_saved_min", None), getattr(node, "_saved_max", None))
        if node.name().rstrip("0123456789") in GATES and not guard:
            yield node
        waiting.extend(following for following, _ in node.next_functions)


def _notes(request: Request) -> tuple[str, ...]:
    with torch.enable_grad():
        x = request.inputs[:1].detach().clone().requires_grad_()
        score = row_scores(request.subject.run(x * 1), request.target[:1])
    return request.notes if any(True for _ in gate_nodes(score)) else (*request.notes, NO_GATE)


def guided_backprop(request: Request) -> Explanation:
    """Explain by guided backpropagation (Springenberg et al., 2015).

    It uses the nodes of autograd, so it works for modules, functions and in-place gates. It is known to show edges of
    the input rather than evidence for the prediction (Adebayo et al., 2018): see the metric MPRT of
    :func:`hashlens.compare_explanations`.
    """
    result = guided_gradients(request.subject, request.inputs, request.target)
    return explained(request, "guided_backprop", result, notes=_notes(request))


def guided_integrated_gradients(request: Request, steps: int = 64) -> Explanation:
    """Explain by the mean guided gradient on the path from the baseline, times its length (XDeep, Yang et al., 2019).

    The values need not add up to the change of the score, unlike those of integrated gradients.
    """
    result = integrate(request, guided_gradients, steps, steps, float("inf"))
    result["notes"] = _notes(request)
    del result["diagnostics"]["completeness_gap"]
    return explained(request, "guided_integrated_gradients", **result)


def smooth_guided_grad(request: Request, samples: int = 50, noise: float = 0.15) -> Explanation:
    """Explain by the mean guided gradient over noisy copies (XDeep, Yang et al., 2019).

    Parameters
    ----------
    request, samples, noise
        As in :func:`hashlens.explanations.gradients.smooth_grad`.
    """
    result = mean_noisy_gradients(request, guided_gradients, samples, noise)
    return explained(request, "smooth_guided_grad", result, notes=_notes(request))
