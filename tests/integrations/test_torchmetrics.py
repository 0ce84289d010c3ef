import copy
import tempfile
import warnings
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import tests.torchvision_operators  # noqa: F401
import torch
from torch.utils.data import DataLoader, DistributedSampler

import hashlens as hl
from hashlens.errors import CodesError, MeasureError
from hashlens.measures import knn_accuracy, knn_accuracy_leave_one_out

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of what it imports
    torchmetrics = pytest.importorskip("torchmetrics", reason="needs torchmetrics")

from hashlens.integrations.torchmetrics import CodeKNNAccuracy, RedundancyRatio

ROWS, REFERENCE = 101, 57  # odd, so that a sampler for two processes repeats a row


class Indexed(torch.utils.data.Dataset):
    """Inputs, labels, and the index of each."""

    def __init__(self, rows, seed):
        generator = torch.Generator().manual_seed(seed)
        self.inputs = torch.randint(0, 2, (rows, 6), generator=generator).float()
        self.labels = (self.inputs.sum(dim=1) + torch.randint(0, 2, (rows,), generator=generator)).long() % 3

    def __len__(self):
        return len(self.inputs)

    def __getitem__(self, index):
        return self.inputs[index], self.labels[index], index


def small_network():
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return torch.nn.Sequential(torch.nn.Linear(6, 9), torch.nn.ReLU(), torch.nn.Linear(9, 3))


def measured(rank, world, with_ids=True):
    """Return the numbers of a pass over the data, on one process of `world`."""
    network = small_network()
    ratio, accuracy = RedundancyRatio(network), CodeKNNAccuracy(network, k=5)
    alone = CodeKNNAccuracy(network, k=5)
    for data, reference in ((Indexed(ROWS, 0), False), (Indexed(REFERENCE, 1), True)):
        sampler = DistributedSampler(data, world, rank, shuffle=not reference, seed=5)
        for inputs, labels, ids in DataLoader(data, 8, sampler=sampler, generator=torch.Generator()):
            known = ids if with_ids else None
            accuracy.update(inputs, labels, known, reference=reference)
            if not reference:
                ratio.update(inputs, known)
                alone.update(inputs, labels, known)
    return [metric.compute().item() for metric in (ratio, accuracy, alone)]


def one_process(rank, folder):
    """Be one process of a group of two, and write what it finds."""
    meeting = {"init_method": f"file://{folder}/meeting", "timeout": timedelta(minutes=20)}
    torch.distributed.init_process_group("gloo", rank=rank, world_size=2, **meeting)
    idle = RedundancyRatio()
    if rank == 1:  # the other has nothing to give
        idle.update(torch.eye(4, dtype=torch.bool)[[0, 0, 1, 2]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torchmetrics': computed before an update
        found = [*measured(rank, 2), *measured(rank, 2, with_ids=False), idle.compute().item()]
    Path(folder, f"{rank}.txt").write_text(" ".join(map(str, found)))
    torch.distributed.destroy_process_group()


def the_other_process(_, folder):
    one_process(1, folder)


@pytest.mark.slow
def test_two_processes_with_a_padded_sampler_find_what_one_finds():
    with tempfile.TemporaryDirectory() as folder:
        # A forked process: in this one torch and hashlens are loaded already.
        other = torch.multiprocessing.start_processes(
            the_other_process, args=(folder,), nprocs=1, join=False, start_method="forkserver"
        )
        one_process(0, folder)
        other.join()
        first, second = (list(map(float, Path(folder, f"{rank}.txt").read_text().split())) for rank in (0, 1))
    assert first == second
    assert first[:3] == measured(0, 1)
    # What the ids are for: 102 rows have been counted without them.
    assert first[3] != first[0]
    assert first[6] == 0.25


def test_a_single_process_finds_what_the_measures_find():
    network, test, train = small_network(), Indexed(ROWS, 0), Indexed(REFERENCE, 1)
    codes = hl.encode(network, (test.inputs, test.labels))
    expected = [
        hl.redundancy_ratio(codes),
        knn_accuracy(hl.encode(network, (train.inputs, train.labels)), codes, k=5),
        knn_accuracy_leave_one_out(codes, k=5),
    ]
    assert measured(0, 1) == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("form", ["bits", "packed", "codes", "activations", "array"])
def test_codes_of_any_form_say_the_same(form):
    bits = torch.randint(0, 2, (40, 4), generator=torch.Generator().manual_seed(1)).bool()
    given = {
        "bits": bits,
        "packed": torch.from_numpy(hl.Codes.from_bits(bits.numpy()).packed),
        "codes": hl.Codes.from_bits(bits.numpy()),
        "activations": (bits.float() - 0.5).reshape(40, 2, 2) > 0,
        "array": bits.numpy(),
    }[form]
    metric = RedundancyRatio()
    metric.update(given)
    assert metric.compute().item() == pytest.approx(1 - len(np.unique(bits.numpy(), axis=0)) / 40)


def test_a_repeated_row_counts_once():
    metric = RedundancyRatio()
    metric.update(torch.eye(3, dtype=torch.bool)[[0, 0, 1]], ids=torch.tensor([7, 8, 9]))
    metric.update(torch.eye(3, dtype=torch.bool)[[1, 0]], ids=np.array([9, 7]))
    assert metric.compute().item() == pytest.approx(1 / 3)
    metric.reset()
    metric.update(torch.eye(3, dtype=torch.bool), ids=torch.tensor([7, 8, 9]))
    assert metric.compute() == 0


def test_copies_read_the_same_network_and_own_none_of_it(network):
    metric = RedundancyRatio(network)
    collection = torchmetrics.MetricCollection({"R": metric}).clone(prefix="val_")
    inputs = torch.rand(50, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    before = copy.deepcopy(network)
    with torch.no_grad():
        network[1].weight.mul_(0).add_(1.0)  # now all units of a row agree
        network[1].bias.zero_()
        network[2].reset_parameters()
    collection.update(inputs)
    after, stale = hl.redundancy_ratio(hl.encode(network, inputs)), hl.redundancy_ratio(hl.encode(before, inputs))
    assert collection.compute()["val_R"].item() == pytest.approx(after)
    assert after != stale
    assert list(metric.parameters()) == []
    assert metric.state_dict() == {}


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: RedundancyRatio().update(torch.zeros(3, 4)), CodesError, "as activations > 0.*float32 \\(3, 4\\)"),
        (lambda: RedundancyRatio().update(torch.zeros(3, 4, dtype=torch.uint8)), CodesError, "whole words of 8 bytes"),
        (lambda: RedundancyRatio().update(torch.ones(3, 4).bool(), ids=[1, 2]), MeasureError, "each of 3 rows"),
        (lambda: RedundancyRatio().update(torch.ones(1, 4).bool(), ids=["a"]), MeasureError, "one integer for each"),
        (lambda: RedundancyRatio(bits=5), MeasureError, "give model= as well"),
        (lambda: CodeKNNAccuracy().update(torch.ones(3, 4).bool(), torch.zeros(2)), MeasureError, "labels must be one"),
        (lambda: CodeKNNAccuracy().update(torch.ones(3, 4).bool(), torch.full((3,), 0.5)), MeasureError, "is 0.5"),
        (lambda: CodeKNNAccuracy().update(torch.ones(3, 4).bool(), ["a", "b", "a"]), MeasureError, "labels are names"),
    ],
)  # fmt: skip
def test_wrong_input(call, error, says):
    with pytest.raises(error, match=says):
        call()


def test_ids_at_some_updates_only_are_refused():
    metric = RedundancyRatio()
    metric.update(torch.ones(2, 4).bool(), ids=[0, 1])
    metric.update(torch.ones(2, 4).bool())
    with pytest.raises(MeasureError, match="ids came with 2 of 4 rows"):
        metric.compute()


def test_too_few_rows_for_k_are_refused():
    metric = CodeKNNAccuracy(k=3)
    metric.update(torch.ones(2, 4).bool(), torch.tensor([0, 1]))
    with pytest.raises(MeasureError, match="1 <= k <= 1 rows, received k=3"):
        metric.compute()


def test_without_the_package_the_way_to_install_it_is_said(fresh):
    code = """
import sys
sys.modules["torchmetrics"] = None
import hashlens.errors
try:
    import hashlens.integrations.torchmetrics
except hashlens.errors.MissingExtraError as error:
    print(error)
"""
    said = fresh(code).stdout
    assert said.rstrip().endswith("needs torchmetrics, which is not installed: pip install 'hashlens[torchmetrics]'")


@pytest.mark.parametrize("missing", [-1, None, float("nan")])
def test_rows_without_a_label_count_for_nothing(missing):
    metric = CodeKNNAccuracy(k=1)
    metric.update(torch.tensor([[True, False], [False, True], [True, True]]), [0, 1, missing], reference=True)
    metric.update(torch.tensor([[True, False], [True, True]]), [0, missing])
    assert metric.compute().item() == 1.0
    empty = CodeKNNAccuracy(k=1)
    empty.update(torch.tensor([[True, False]]), [missing])
    assert empty.compute().isnan()
