"""Train many perceptrons in one pass, each as it would be trained alone."""

from collections.abc import Callable, Sequence

import torch

from hashlens.device import find_device
from hashlens.errors import HashlensError, ModelError
from hashlens.nets.mlp import MLP
from hashlens.training.evaluate import check_examples
from hashlens.training.fitted import Epoch
from hashlens.training.member import Diary, Member, MemberFitted


def fit_ensemble(
    members: Sequence[Member],
    *,
    device: str | torch.device | None = None,
    threads: int | None = None,
    on_epoch: Callable[[int, Epoch], None] | None = None,
) -> tuple[MemberFitted, ...]:
    """Train many perceptrons in one pass, in place.

    Every member is trained exactly as :func:`hashlens.training.fit` would train it alone with the same seed: its own
    order of batches, dropout, early stopping and checkpoints. In float64 the weights agree to rounding; in float32
    rounding differs and grows from step to step, as it does between any two machines. Dropout draws what `fit` draws on
    the CPU, on a GPU too.

    On the CPU each network is trained by one compiled loop on one core, whose cache it stays in, several side by side.
    On a GPU networks of equal depth are stacked and trained by batched products.

    Parameters
    ----------
    members : sequence of Member
        Networks of any widths, depths and recipes.
    device : str or torch.device, optional
        Where to train; the CPU by default. Networks are handed back on the device that they came on.
    threads : int, optional
        Networks trained side by side on the CPU; torch's number of threads by default.
    on_epoch : callable, optional
        Called with a member's position and its `Epoch`, from any thread. What it raises ends the training.

    Returns
    -------
    tuple of MemberFitted
        In the order of `members`.

    Raises
    ------
    DataError
        If a member has no examples, no labels, or labels that its network has no output for.
    ModelError
        If a network is not an MLP of this library, two members share one, or a checkpoint lies past the last epoch.
    """
    for at, member in enumerate(members):
        _check(at, member)
    first: dict[int, int] = {}
    for at, member in enumerate(members):
        if (same := first.setdefault(id(member.network), at)) != at:
            raise ModelError(f"members {same} and {at} of the ensemble are one network: give each a network of its own")
    home = torch.device("cpu") if device is None else find_device(device)
    diaries = [Diary(member) for member in members]
    if home.type == "cpu":
        from hashlens.training.side_by_side import train_side_by_side

        train_side_by_side(diaries, threads or torch.get_num_threads(), on_epoch)
    else:
        from hashlens.training.stacked import train_stacked

        train_stacked(diaries, home, on_epoch)
    return tuple(diary.finished() for diary in diaries)


def _check(at: int, member: Member) -> None:
    if not isinstance(member.network, MLP):
        raise ModelError(
            f"member {at} of the ensemble is a {type(member.network).__name__}: ensembles train hashlens.nets.MLP; "
            "train other networks one by one with hashlens.training.fit"
        )
    if next(member.network.parameters()).dtype not in (torch.float32, torch.float64):
        raise ModelError(f"member {at} of the ensemble must be float32 or float64")
    if member.steps_of is not None and member.steps_of < len(member.train):
        raise ModelError(
            f"member {at} of the ensemble has {len(member.train)} examples and steps_of={member.steps_of}: "
            "an epoch takes every example at least once"
        )
    past = [epoch for epoch in member.checkpoints if not 0 <= epoch <= member.recipe.epochs]
    if past:
        raise ModelError(
            f"member {at} of the ensemble: checkpoints must be epochs from 0 to {member.recipe.epochs}, "
            f"received {past[0]}"
        )
    try:
        # One label outside the range would be read past the end of a row.
        check_examples(member.network, member.train)
    except HashlensError as error:
        raise type(error)(f"member {at} of the ensemble: {error}") from error
