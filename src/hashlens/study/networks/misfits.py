"""Misfits of a study: fields that are valid separately but do not fit each other or the data."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hashlens.nets.build import architecture_arguments
from hashlens.study.networks.measures import MEASURES
from hashlens.study.networks.sections import NetworkSpec
from hashlens.study.spec.fields import value_text
from hashlens.study.spec.lines import FieldPath

if TYPE_CHECKING:
    from hashlens.study.networks.spec import NetworksSpec


def misfits(spec: "NetworksSpec") -> Iterator[tuple[FieldPath, str]]:
    """Yield the fields that do not fit each other, each with what is wrong."""
    axes, last = spec.axes, spec.last_epoch
    for i, epoch in enumerate(axes.epochs or ()):
        if epoch > last:
            yield ("axes", "epochs", i), f"must be at most {last}, the last epoch, received {epoch}"
    yield from _missing_arguments(spec)
    fixed = spec.recipe().batch_norm
    if axes.batch_norm and None in axes.batch_norm and fixed in axes.batch_norm:
        same = f"null is the value of network or recipe, {value_text(fixed)}, which is also listed"
        yield ("axes", "batch_norm"), f"{same}, received {value_text(axes.batch_norm)}: list each value once"
    if spec.random_inputs and not any(MEASURES[name].random_inputs for name in spec.measures):
        possible = " or ".join(name for name, measure in MEASURES.items() if measure.random_inputs)
        yield (
            ("axes", "random_inputs"),
            f"random inputs have no labels, and all of the measures need them, received "
            f"{value_text(spec.random_inputs)}: add {possible}",
        )
    if spec.measures == ("loss",) and spec.checkpoints == (0,):
        yield ("measures",), 'there is no loss at initialisation, received ["loss"]: add checkpoints or measures'


def _missing_arguments(spec: "NetworksSpec") -> Iterator[tuple[FieldPath, str]]:
    """Yield arguments that architectures do not have: an axis that one of them lacks, a field that all of them lack.

    An axis without an effect on an architecture would duplicate its cells.
    """
    choices = [factor for factor in NetworkSpec.model_fields if factor != "architecture"]
    for factor in choices:
        lacking = [name for name in spec.architectures if factor not in architecture_arguments(name)]
        axis, fixed = getattr(spec.axes, factor), getattr(spec.network, factor)
        section, value = ("axes", axis) if axis is not None else ("network", fixed)
        if value is not None and lacking and (axis is not None or len(lacking) == len(spec.architectures)):
            alternatives = [alternative for alternative in choices if alternative in architecture_arguments(lacking[0])]
            hint = f"it takes {', '.join(alternatives)}" if alternatives else f"it takes none of {', '.join(choices)}"
            yield (section, factor), f"{lacking[0]} has no {factor}, received {value_text(value)}: {hint}"


def data_misfits(spec: "NetworksSpec", n_train: int | None, has_labels: bool) -> Iterator[tuple[FieldPath, str]]:
    """Yield the fields that do not fit the data, each with what is wrong."""
    samples = spec.axes.samples or ()
    needing = [name for name in spec.measures if MEASURES[name].labels]
    if not has_labels and needing:
        free = ", ".join(name for name, measure in MEASURES.items() if not measure.labels)
        index = spec.measures.index(needing[0])
        yield (
            ("measures", index),
            (f"{needing[0]!r} needs labels, but the data have none; measures that need none: {free}"),
        )
    elif not has_labels:
        yield ("data",), "training needs labels, but the data have none"
    for index, count in enumerate(samples):
        if n_train is not None and count > n_train:
            yield (
                ("axes", "samples", index),
                f"must be at most {n_train}, the number of training examples, received {count}",
            )
    fewest = min((*samples, *(() if n_train is None else (n_train,))), default=None)
    # On train an example does not count as its own neighbour.
    for name, limit in (("knn", fewest), ("knn_train", None if fewest is None else fewest - 1)):
        if name in spec.measures and limit is not None and spec.k > limit:
            hint = f"give k: {limit}, or more examples" if limit > 0 else f"leave {name} out, or give more examples"
            yield (
                ("k",),
                f"must be at most {limit} for {name}, with {fewest} training examples, received {spec.k}: {hint}",
            )
