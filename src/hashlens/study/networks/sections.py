"""The sections of a study of networks: data, network, training and axes."""

from hashlens.study.networks import fields
from hashlens.study.spec.fields import Count, CountFromZero, Listed, Text
from hashlens.study.spec.section import Section


class DataSpec(Section):
    """Sources of the examples, as names for :func:`hashlens.load_data`."""

    train: Text
    test: Text


class NetworkSpec(Section):
    """Network settings that are not axes; None is the architecture's default (the recipe's for ``batch_norm``).

    If architectures are an axis, each uses the settings that it has.
    """

    architecture: fields.Architecture = "mlp"
    width: Count | None = None
    depth: Count | None = None
    batch_norm: fields.Flag = None
    dropout: fields.DropProbability | None = None


class TrainingSpec(Section):
    """Name of a recipe, and fields that differ from it; None keeps the recipe's value.

    Attributes
    ----------
    patience : int, None or "recipe"
        Patience of early stopping; None switches it off.
    """

    recipe: fields.RecipeName = "figures"
    epochs: CountFromZero | None = None
    batch_size: Count | None = None
    learning_rate: fields.Positive | None = None
    optimizer: fields.Optimizer | None = None
    loss: fields.Loss | None = None
    schedule: fields.Schedule | None = None
    decay_every: Count | None = None
    decay_factor: fields.Positive | None = None
    weight_decay: fields.Penalty | None = None
    init: fields.Init | None = None
    patience: fields.Patience = "recipe"


class Axes(Section):
    """Levels of the axes; all are crossed. None for an axis that does not vary.

    Attributes
    ----------
    epochs : tuple of int
        Checkpoints of one training; 0 is the initial network. Each network is trained only once.
    samples : tuple of int
        Numbers of training examples. The first examples are used; they are repeated up to the full number, so that
        every network takes the same number of steps.
    label_noise : tuple of float
        Shares of the training labels that are shuffled among themselves.
    random_inputs : tuple of str
        Random inputs that codes are measured on besides the data: ``uniform``, ``bytes``; ``none`` adds none.
    """

    architecture: Listed[fields.Architecture] | None = None
    width: Listed[Count] | None = None
    depth: Listed[Count] | None = None
    samples: Listed[Count] | None = None
    label_noise: Listed[fields.Share] | None = None
    weight_decay: Listed[fields.Penalty] | None = None
    batch_norm: Listed[fields.Flag] | None = None
    dropout: Listed[fields.DropProbability] | None = None
    epochs: Listed[CountFromZero] | None = None
    random_inputs: Listed[fields.RandomInputs] | None = None
