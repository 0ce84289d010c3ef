"""The sections of a study of networks: data, network, training and axes."""

from hashlens.study.networks import fields
from hashlens.study.spec.fields import Count, CountFromZero, Listed, Text
from hashlens.study.spec.section import Section


class DataSpec(Section):
    """Where the examples are: what :func:`hashlens.load_data` takes as text."""

    train: Text
    test: Text


class NetworkSpec(Section):
    """The network wherever no axis says otherwise; None is the architecture's own, for ``batch_norm`` the recipe's.

    Where architectures are an axis, each takes of these what it can.
    """

    architecture: fields.Architecture = "mlp"
    width: Count | None = None
    depth: Count | None = None
    batch_norm: fields.Flag = None
    dropout: fields.DropProbability | None = None


class TrainingSpec(Section):
    """A recipe by name, and what is to be otherwise than there; None is the recipe's.

    Attributes
    ----------
    patience : int, None or "recipe"
        None switches early stopping off.
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
    """The values that are crossed, all with all; None where an axis is not varied.

    Attributes
    ----------
    epochs : tuple of int
        Checkpoints of one training: 0 is the initialisation. Nothing is trained twice for them.
    samples : tuple of int
        First so many training examples, tiled to as many as there are, so that every network takes equal steps.
    label_noise : tuple of float
        Share of the training labels that are shuffled among themselves.
    random_inputs : tuple of str
        On what the codes are measured besides the data: ``uniform``, ``bytes``; ``none`` adds nothing.
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
