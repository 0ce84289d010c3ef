"""The two losses of logistic regression, their gradients and Hessians, class by class in shared matrix products."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import torch

from hashlens.measures.classes import Classes

# Largest number of columns for which the Gram matrix is decomposed; beyond it only its diagonal is used.
SPECTRAL_COLUMNS = 2048
# Number of entries of the features that are converted to float64 at a time.
EXACT_CELLS = 1 << 21


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Value and derivatives of a loss at some weights.

    Attributes
    ----------
    value : torch.Tensor
        float64, one value for each independent problem: ``(m, 1)`` or ``(1, 1)``.
    gradient : torch.Tensor
        float64 ``(m, d + 1)``: the gradient.
    curvature : tuple of torch.Tensor
        Second derivatives of each class for the Hessian, float32 ``(scores that the class is in, rows of the class)``.
    """

    value: torch.Tensor
    gradient: torch.Tensor
    curvature: tuple[torch.Tensor, ...]


class LogisticLoss(ABC):
    """Penalised logistic loss of weights ``(m, d + 1)``, the intercepts in the last column.

    Rows are sorted by class, so that each class is one block, multiplied only with the scores that it is in. Scores are
    ``(m, rows)``, since matrix products that are much wider than high are fast. Values and gradients are float64: with
    thousands of rows, float32 would leave the optimum uncertain in the third digit. Hessian products are float32: they
    only determine the direction of a step, and take nearly all of the time.

    Attributes
    ----------
    dims : tuple of int
        Axes of the weights that belong to one problem: ``(1,)`` if every row is a separate problem.
    score_count : int
        Number m of scores.
    """

    dims: tuple[int, ...]
    score_count: int

    def __init__(self, rows: torch.Tensor, classes: Classes, strength: float) -> None:
        self.blocks = [rows[block] for block in classes.slices()]
        self.strength = strength
        self.shape = (self.score_count, rows.shape[1] + 1)
        self.penalty = torch.ones(self.shape[1], dtype=torch.float64)
        self.penalty[-1] = 0
        self._rows = rows

    @abstractmethod
    def scores_of(self, i: int) -> torch.Tensor:
        """Return the indices of the scores that class i is in, int64 ``(s,)``."""

    @abstractmethod
    def terms(self, i: int, scores: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the loss of class i for each problem, its derivative by the scores, and the curvature."""

    @abstractmethod
    def score_hessian_product(self, curvature: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Return the Hessian by the scores times a change of them, for each example."""

    @abstractmethod
    def diagonal(self, curvature: torch.Tensor) -> torch.Tensor:
        """Return the diagonal of the Hessian by the scores."""

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """Sum over the weights of each problem: ``(m, d + 1)`` to ``(m, 1)`` or ``(1, 1)``."""
        return values.sum(self.dims, keepdim=True)

    def evaluate(self, weights: torch.Tensor) -> Evaluation:
        """Return value, gradient and curvature at `weights`, float64 ``(m, d + 1)``."""
        value = self.sum(self.penalty * weights.square()) / 2
        gradient = self.penalty * weights
        curvatures = []
        for i, block in enumerate(self.blocks):
            own_scores = self.scores_of(i)
            part_curvatures = []
            for part in torch.split(block, max(1, EXACT_CELLS // self.shape[1])):
                exact = part.double()
                loss, score_gradient, curvature = self.terms(i, _scores(exact, weights[own_scores]))
                value[own_scores if len(self.dims) == 1 else slice(None)] += self.strength * loss
                gradient[own_scores] += self.strength * _backwards(exact, score_gradient)
                part_curvatures.append(curvature.float())
            curvatures.append(torch.cat(part_curvatures, dim=1))
        return Evaluation(value, gradient, tuple(curvatures))

    def hessian_product(self, evaluation: Evaluation, change: torch.Tensor) -> torch.Tensor:
        """Return the Hessian times a change of the weights, float64 ``(m, d + 1)``."""
        product = self.penalty * change
        for i, (block, curvature) in enumerate(zip(self.blocks, evaluation.curvature, strict=True)):
            own_scores = self.scores_of(i)
            product_block = self.score_hessian_product(curvature, _scores(block, change[own_scores].float()))
            product[own_scores] += self.strength * _backwards(block, product_block)
        return product

    def mean_curvature(self, evaluation: Evaluation) -> torch.Tensor:
        """Return the mean over rows of the curvature of each score, ``(m,)``."""
        total = torch.zeros(self.score_count, dtype=torch.float64)
        for i, curvature in enumerate(evaluation.curvature):
            total[self.scores_of(i)] += self.diagonal(curvature).sum(dim=1, dtype=torch.float64)
        return self.strength * total / len(self._rows)

    def gram(self) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return eigenvalues ``(d + 1,)`` and eigenvectors of the Gram matrix of rows with a one appended.

        For wide rows, return its diagonal and None.
        """
        rows, last = self._rows, self.shape[1] - 1
        if last > SPECTRAL_COLUMNS:
            squares = torch.stack([block.square().sum(dim=0) for block in self.blocks]).sum(dim=0)
            return torch.cat([squares, torch.tensor([float(len(rows))])]), None
        gram = torch.empty(last + 1, last + 1)
        gram[:last, :last] = rows.T @ rows
        gram[last, :last] = gram[:last, last] = rows.sum(dim=0)
        gram[last, last] = len(rows)
        values, vectors = torch.linalg.eigh(gram)
        return values.clamp_(min=0), vectors


class MultinomialLoss(LogisticLoss):
    """Softmax cross-entropy: one problem, one score per class."""

    dims = (0, 1)

    def __init__(self, rows: torch.Tensor, classes: Classes, strength: float) -> None:
        self.score_count = len(classes)
        super().__init__(rows, classes, strength)

    def scores_of(self, i: int) -> torch.Tensor:
        """Return the scores that class i takes part in."""
        return torch.arange(self.score_count)

    def terms(self, i: int, scores: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return loss, derivative and curvature of class i."""
        logarithms = torch.log_softmax(scores, dim=0)
        probabilities = logarithms.exp()
        score_gradient = probabilities.clone()
        score_gradient[i] -= 1
        return -logarithms[i].sum(), score_gradient, probabilities

    def score_hessian_product(self, curvature: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Return the Hessian by the scores times a change of them."""
        product = scores.mul_(curvature)
        return product.sub_(curvature * product.sum(dim=0, keepdim=True))

    def diagonal(self, curvature: torch.Tensor) -> torch.Tensor:
        """Return the diagonal of the Hessian by the scores."""
        return curvature * (1 - curvature)


class PairwiseLoss(LogisticLoss):
    """Sigmoid loss of every pair of classes: c (c - 1) / 2 problems, positive towards the second class of a pair."""

    dims = (1,)

    def __init__(self, rows: torch.Tensor, classes: Classes, strength: float) -> None:
        pairs = np.stack(np.triu_indices(len(classes), 1))
        self.score_count = pairs.shape[1]
        self._scores_of = [torch.from_numpy(np.flatnonzero((pairs == i).any(axis=0))) for i in range(len(classes))]
        self._targets = [
            torch.from_numpy((pairs[1][taken.numpy()] == i).astype(np.float64))[:, None]
            for i, taken in enumerate(self._scores_of)
        ]
        super().__init__(rows, classes, strength)

    def scores_of(self, i: int) -> torch.Tensor:
        """Return the scores that class i takes part in."""
        return self._scores_of[i]

    def terms(self, i: int, scores: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return loss, derivative and curvature of class i."""
        targets = self._targets[i]
        loss = torch.nn.functional.softplus(scores * (1 - 2 * targets)).sum(dim=1, keepdim=True)
        probabilities = torch.sigmoid(scores)
        return loss, probabilities - targets, probabilities * (1 - probabilities)

    def score_hessian_product(self, curvature: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Return the Hessian by the scores times a change of them."""
        return scores.mul_(curvature)

    def diagonal(self, curvature: torch.Tensor) -> torch.Tensor:
        """Return the diagonal of the Hessian by the scores."""
        return curvature


def _backwards(block: torch.Tensor, score_gradient: torch.Tensor) -> torch.Tensor:
    """Return the gradient by the weights, float64 ``(s, d + 1)``, from the gradient by the scores of a block."""
    return torch.cat([score_gradient @ block, score_gradient.sum(dim=1, keepdim=True)], dim=1).double()


def _scores(block: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    return torch.addmm(weights[:, -1:], weights[:, :-1], block.T)
