"""Train many multilayer perceptrons at the same time, each as if it were trained alone."""

from collections.abc import Callable, Sequence

import torch

from hashlens.arguments import excerpt, require_whole
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

    Every member takes the steps that it would take alone in :func:`hashlens.training.fit` with the same seed: it has
    its own order of batches, dropout, early stopping and checkpoints. In float64 the weights agree up to rounding. In
    float32 rounding differences grow from step to step, as between any two machines. On a GPU too, dropout uses the
    random numbers that `fit` draws on the CPU.

    On the CPU, a compiled loop trains each network on one core, in whose cache the network stays; several networks are
    trained in parallel. On a GPU, the weights of several networks are stacked in one tensor and trained by batched
    matrix products. Networks can be stacked if they are trained on the same inputs (or on the first rows of them), have
    the same depth, number of outputs, dtype, loss, optimizer, batch size and number of examples per epoch, if all or
    none of them have BatchNorm, and if all or none have dropout. Their widths may differ. Networks that can be stacked
    form a group, and groups are trained one after another.

    Parameters
    ----------
    members : sequence of Member
        Networks of any widths, depths and recipes.
    device : str or torch.device, optional
        Device to train on; the CPU by default. The networks end on the device that they were on.
    threads : int, optional
        Number of networks trained in parallel on the CPU; by default torch's number of threads.
    on_epoch : callable, optional
        Called with a member's index and its `Epoch`. On the CPU, several threads may call it at the same time. An
        exception in it ends the training.

    Returns
    -------
    tuple of MemberFitted
        Results in the order of `members`.

    Raises
    ------
    DataError
        If the examples of a member are empty or not `ArrayExamples`, have no labels or labels that its network has no
        output for, or have inputs that are not finite.
    ModelError
        If a network is not an MLP of this library in float32 or float64, two members share a network, a recipe is not a
        `Recipe`, a checkpoint is not an epoch of the recipe, `epoch_size` is smaller than the number of examples, or
        `threads` is below 1.
    """
    if not isinstance(members, Sequence):
        raise ModelError(f"members must be a list of Member, received a {type(members).__name__}")
    if threads is not None:
        require_whole(ModelError, "threads", threads)
    finite_inputs = set[object]()
    for i, member in enumerate(members):
        try:
            _check_member(member, finite_inputs)
        except HashlensError as error:
            raise type(error)(f"member {i} of the ensemble: {error}") from error
    position_of_network: dict[int, int] = {}
    for i, member in enumerate(members):
        earlier = position_of_network.setdefault(id(member.network), i)
        if earlier != i:
            raise ModelError(
                f"members {earlier} and {i} of the ensemble are one network: give each a network of its own"
            )
    training_device = torch.device("cpu") if device is None else find_device(device)
    progresses = [MemberProgress(member) for member in members]
    if training_device.type == "cpu":
        from hashlens.training.side_by_side import train_side_by_side

        train_side_by_side(progresses, threads or torch.get_num_threads(), on_epoch)
    else:
        from hashlens.training.stacked import train_stacked

        train_stacked(progresses, training_device, on_epoch)
    return tuple(progress.result() for progress in progresses)


def _check_member(member: Member, finite_inputs: set[object]) -> None:
    """Raise an error if `member` cannot be trained.

    Members often share their inputs. So the key of inputs that are finite is added to `finite_inputs`, and inputs whose
    key is there are not checked again.
    """
    if not isinstance(member, Member):
        raise ModelError(f"expected a Member, received {excerpt(member)}")
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
        raise ModelError(f"recipe must be a Recipe, such as find_recipe('figures'), received {excerpt(recipe)}")
    if not isinstance(train, ArrayExamples):
        raise DataError(
            f"train must be ArrayExamples, such as load_data('digits').load(), received a {type(train).__name__}"
        )
    if member.epoch_size is not None:
        require_whole(ModelError, "epoch_size", member.epoch_size)
        if member.epoch_size < len(train):
            raise ModelError(
                f"has {len(train)} examples and epoch_size={member.epoch_size}: an epoch needs every example at least "
                "once"
            )
    check_checkpoints(member.checkpoints, recipe.epochs)
    # A label out of range would make the compiled loop read beyond the end of a row.
    check_examples(network, train)
    key = inputs_key(train), dtype
    if key not in finite_inputs:
        require_finite("train", train, dtype)
        finite_inputs.add(key)
