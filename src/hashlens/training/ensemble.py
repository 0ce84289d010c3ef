"""Train many multilayer perceptrons at the same time, each as if it were trained alone."""

from collections.abc import Callable, Sequence

import torch

from hashlens.arguments import require_whole, shortly
from hashlens.data.examples import ArrayExamples
from hashlens.data.finite import require_finite
from hashlens.device import find_device
from hashlens.errors import DataError, HashlensError, ModelError
from hashlens.nets.mlp import MLP
from hashlens.training.checkpoints import check_checkpoints
from hashlens.training.evaluate import check_examples, network_dtype
from hashlens.training.fitted import Epoch
from hashlens.training.member import Member, MemberFitted, MemberProgress, inputs_key
from hashlens.training.recipe import Recipe


def fit_ensemble(
    members: Sequence[Member],
    *,
    device: str | torch.device | None = None,
    threads: int | None = None,
    on_epoch: Callable[[int, Epoch], None] | None = None,
) -> tuple[MemberFitted, ...]:
    """Train many multilayer perceptrons at the same time, in place.

    Every member is trained exactly as :func:`hashlens.training.fit` would train it alone with the same seed: with its
    own order of batches, dropout, early stopping and checkpoints. In float64 the weights agree up to rounding. In
    float32 rounding differences grow from step to step, as between any two machines. Dropout uses the random numbers
    that `fit` draws on the CPU, also on a GPU.

    A compiled loop trains each network on one core of the CPU, where it stays in the cache; several run in parallel.
    Networks of equal depth are stacked on a GPU, and trained by batched matrix products.

    Parameters
    ----------
    members : sequence of Member
        Networks of any widths, depths and recipes.
    device : str or torch.device, optional
        Device to train on; the CPU by default. The networks end on the device that they were on.
    threads : int, optional
        Number of networks trained in parallel on the CPU; by default torch's number of threads.
    on_epoch : callable, optional
        Called with a member's index and its `Epoch`, from any thread. An exception in it ends the training.

    Returns
    -------
    tuple of MemberFitted
        Results in the order of `members`.

    Raises
    ------
    DataError
        If a member has no examples, no labels, labels that its network has no output for, or inputs that are not
        finite.
    ModelError
        If a network is not an MLP of this library, two members share a network, a checkpoint is after the last epoch,
        or `threads` is below 1.
    """
    if not isinstance(members, Sequence):
        raise ModelError(f"members must be a list of Member, received a {type(members).__name__}")
    if threads is not None:
        require_whole(ModelError, "threads", threads)
    checked = set[object]()
    for i, member in enumerate(members):
        try:
            _check(member, checked)
        except HashlensError as error:
            raise type(error)(f"member {i} of the ensemble: {error}") from error
    first: dict[int, int] = {}
    for i, member in enumerate(members):
        if (same := first.setdefault(id(member.network), i)) != i:
            raise ModelError(f"members {same} and {i} of the ensemble are one network: give each a network of its own")
    training_device = torch.device("cpu") if device is None else find_device(device)
    progresses = [MemberProgress(member) for member in members]
    if training_device.type == "cpu":
        from hashlens.training.side_by_side import train_side_by_side

        train_side_by_side(progresses, threads or torch.get_num_threads(), on_epoch)
    else:
        from hashlens.training.stacked import train_stacked

        train_stacked(progresses, training_device, on_epoch)
    return tuple(progress.result() for progress in progresses)


def _check(member: Member, finite: set[object]) -> None:
    """Raise an error if `member` cannot be trained; `finite` holds the keys of inputs that are already checked."""
    if not isinstance(member, Member):
        raise ModelError(f"expected a Member, received {shortly(member)}")
    network, train, recipe = member.network, member.train, member.recipe
    if not isinstance(network, MLP):
        raise ModelError(
            f"ensembles train hashlens.nets.MLP, received a {type(network).__name__}: train other networks one by one "
            "with hashlens.training.fit"
        )
    dtype = network_dtype(network)
    if dtype not in (torch.float32, torch.float64):
        raise ModelError(f"must be float32 or float64, received {dtype}")
    if not isinstance(recipe, Recipe):
        raise ModelError(f"recipe must be a Recipe, as find_recipe('figures'), received {shortly(recipe)}")
    if not isinstance(train, ArrayExamples):
        raise DataError(
            f"train must be ArrayExamples, as load_data('digits').load(), received a {type(train).__name__}"
        )
    if member.steps_of is not None:
        require_whole(ModelError, "steps_of", member.steps_of)
        if member.steps_of < len(train):
            raise ModelError(
                f"has {len(train)} examples and steps_of={member.steps_of}: an epoch takes every example at least once"
            )
    check_checkpoints(member.checkpoints, recipe.epochs)
    # A label out of range would make the compiled loop read beyond the end of a row.
    check_examples(network, train)
    inputs = inputs_key(train), dtype
    if inputs not in finite:
        require_finite("train", train, dtype)
        finite.add(inputs)
