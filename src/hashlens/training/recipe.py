"""Recipes: named settings for training a network."""

from dataclasses import dataclass

from rich.table import Table

from hashlens.arguments import is_number, require_whole
from hashlens.errors import ModelError, nearest
from hashlens.result import Result
from hashlens.training.losses import LOSSES
from hashlens.training.schedules import SCHEDULES

OPTIMIZERS = ("adam", "sgd")


@dataclass(frozen=True)
class Recipe(Result):
    """Settings for training a network.

    Attributes
    ----------
    name : str
        Name of the recipe.
    epochs : int
        Default number of epochs.
    batch_size : int
        Number of examples per step.
    learning_rate : float
        Learning rate of the first epoch.
    optimizer : {"adam", "sgd"}
        Optimizer; sgd has Nesterov momentum 0.9.
    schedule : {"constant", "step", "cosine"}
        Schedule of the learning rate (see `hashlens.training.schedules`).
    decay_every : int
        Number of epochs between the steps of the schedule ``step``.
    decay_factor : float
        Factor of the learning rate at each of these steps.
    weight_decay : float
        L2 penalty: this factor times the weight is added to the gradient.
    batch_norm : bool
        Whether architectures with optional batch normalisation are built with it.
    init : str
        Initialisation of the weights, as in `hashlens.nets.build`.
    patience : int or None
        Number of epochs without a lower training loss after which training stops; None trains all epochs.
    loss : {"cross-entropy", "mse"}
        Loss to minimise. mse is the mean, over examples and outputs, of the squared difference between outputs and
        targets; for K classes the target is 1 - 1/K for the right class and -1/K for the others.
    """

    name: str
    epochs: int
    batch_size: int
    learning_rate: float
    optimizer: str = "adam"
    schedule: str = "constant"
    decay_every: int = 20
    decay_factor: float = 0.1
    weight_decay: float = 0.0
    batch_norm: bool = False
    init: str = "default"
    patience: int | None = None
    loss: str = "cross-entropy"

    def __post_init__(self) -> None:
        for field, allowed in (("optimizer", OPTIMIZERS), ("schedule", SCHEDULES), ("loss", LOSSES)):
            value = getattr(self, field)
            if value not in allowed:
                raise ModelError(f"recipe {self.name!r}: unknown {field} {value!r}: {nearest(value, allowed)}")
        for field, minimum in (("epochs", 0), ("batch_size", 1), ("decay_every", 1)):
            require_whole(ModelError, f"recipe {self.name!r}: {field}", getattr(self, field), minimum)
        if self.patience is not None:
            require_whole(ModelError, f"recipe {self.name!r}: patience, unless None,", self.patience)
        for field in ("learning_rate", "decay_factor", "weight_decay"):
            if not is_number(getattr(self, field)):
                raise ModelError(f"recipe {self.name!r}: {field} must be a number, received {getattr(self, field)!r}")
        if not self.learning_rate > 0:
            raise ModelError(f"recipe {self.name!r}: learning_rate must be positive, received {self.learning_rate}")

    def rate(self, epoch: int) -> float:
        """Return the learning rate of an epoch, counted from 1.

        >>> RECIPES["scripts"].rate(20), RECIPES["scripts"].rate(21)
        (0.01, 0.001)
        """
        share = SCHEDULES[self.schedule](epoch, self.epochs, self.decay_every, self.decay_factor)
        return self.learning_rate * share

    def __rich__(self) -> Table:
        table = Table(title=f"recipe {self.name}", show_header=False)
        for key, value in self.to_dict().items():
            if key not in ("schema_version", "name"):
                table.add_row(key.replace("_", " "), str(value))
        return table


RECIPES = {
    # The recipe of the published scripts.
    "scripts": Recipe(
        "scripts",
        epochs=200,
        batch_size=64,
        learning_rate=1e-2,
        schedule="step",
        weight_decay=1e-6,
        batch_norm=True,
        patience=10,
    ),
    # The recipe that gives the paper's MNIST figures.
    "figures": Recipe("figures", epochs=100, batch_size=128, learning_rate=1e-3, init="glorot"),
    # Chosen for hashlens, for convolutional networks on small images.
    "cifar": Recipe(
        "cifar",
        epochs=30,
        batch_size=128,
        learning_rate=0.05,
        optimizer="sgd",
        schedule="cosine",
        weight_decay=5e-4,
        batch_norm=True,
        init="he",
    ),
}


def find_recipe(recipe: str | Recipe) -> Recipe:
    """Return a recipe by its name.

    Parameters
    ----------
    recipe : str or Recipe
        Name: ``figures``, ``scripts`` or ``cifar``; a recipe is returned unchanged.

    Raises
    ------
    ModelError
        If there is no recipe of that name.

    Examples
    --------
    >>> find_recipe("figures").batch_size
    128
    """
    if isinstance(recipe, Recipe):
        return recipe
    if not isinstance(recipe, str) or recipe not in RECIPES:
        raise ModelError(f"unknown recipe {recipe!r}: {nearest(recipe, RECIPES)}")
    return RECIPES[recipe]
