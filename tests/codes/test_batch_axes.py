"""Which axis is the batch, and whether examples stand along it in their order: of networks that move, loop or pair."""

import collections

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import hashlens as hl
from hashlens.codes.batch_axes import have_moved, row_marks
from hashlens.errors import CaptureError, CodesWarning, DataError

LENGTHS = (3, 9, 5, 7, 2, 9)


def numbers(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def make(build, *arguments):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build(*arguments).double().eval()


def rows_of(parts, size):
    """Return a loader of dicts."""
    names = list(parts)
    rows = [dict(zip(names, row, strict=True)) for row in zip(*parts.values(), strict=True)]
    return torch.utils.data.DataLoader(rows, batch_size=size)


class Packed(nn.Module):
    """A recurrent network that sorts its batch by length, and a gate in the order of the examples behind it."""

    def __init__(self):
        super().__init__()
        self.lstm, self.fc = nn.LSTM(4, 6, batch_first=True), nn.Linear(6, 5)

    def forward(self, x, lengths):
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        _, (last, _) = self.lstm(packed)
        return F.relu(self.fc(last[-1]))


def test_gates_of_packed_sequences_are_left_out_and_those_behind_them_read():
    model, x, lengths = make(Packed), numbers(6, 9, 4), torch.tensor(LENGTHS)
    data, forward = rows_of({"x": x, "lengths": lengths}, 6), lambda net, batch: net(batch["x"], batch["lengths"])
    with pytest.warns(CodesWarning, match=r"2 gates left out \(lstm.sigmoid, lstm.tanh\): rows are in another order"):
        codes = hl.encode(model, data, forward=forward)
    with torch.no_grad():
        expected = [model.fc(model.lstm(row[:n])[1][0][-1]) > 0 for row, n in zip(x, LENGTHS, strict=True)]
    assert np.array_equal(codes.unpack(), torch.stack(expected).numpy())
    with pytest.raises(CaptureError, match=r"layer 'lstm.sigmoid' .*in another order than the examples.*leave it out"):
        hl.encode(model, data, forward=forward, layers="lstm.*")


class Sorting(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(4, 8), nn.Linear(8, 3)

    def forward(self, x):
        order = x[:, 0].argsort()
        return F.relu(self.second(F.relu(self.first(x[order]))[order.argsort()]))


@pytest.mark.parametrize("size", [3, 40])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_a_batch_that_is_sorted_on_the_way_is_left_out_there(size, dtype):
    model, x = make(Sorting).to(dtype), numbers(40, 4).to(dtype)
    with pytest.warns(CodesWarning, match=r"1 gate left out \(relu\): rows are in another order"):
        codes = hl.encode(model, x, batch_size=size)
    assert [layer.name for layer in codes.layers] == ["relu#1"]


class Routed(nn.Module):
    """One expert for each token: as many rows as tokens, expert after expert."""

    def __init__(self):
        super().__init__()
        self.shared, self.router = nn.Linear(4, 5), nn.Linear(4, 3)
        self.experts = nn.Parameter(torch.randn(3, 4, 6))

    def forward(self, x):
        tokens = x.reshape(-1, 4)
        chosen = self.router(tokens).argmax(dim=1)
        order = chosen.argsort(stable=True)
        return F.relu(self.shared(tokens)), F.silu(
            torch.einsum("td,tde->te", tokens[order], self.experts[chosen[order]])
        )


def test_tokens_grouped_by_expert_are_not_unfolded_by_the_mask():
    model, x = make(Routed), numbers(6, 9, 4)
    mask = torch.arange(9) < torch.tensor(LENGTHS)[:, None]
    data = rows_of({"x": x, "mask": mask}, 6)
    with pytest.warns(CodesWarning, match=r"1 gate left out \(silu\): rows are in another order"):
        codes = hl.encode(model, data, forward=lambda net, batch: net(batch["x"]), mask="mask")
    expected = (model.shared(x) > 0) & mask[..., None]
    assert np.array_equal(codes.unpack(), expected.flatten(1).numpy())


class Looping(nn.Module):
    """One call for each example, the first of which gets the same in every small batch that starts with it."""

    def __init__(self):
        super().__init__()
        self.first, self.act, self.second = nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 3)

    def forward(self, x):
        return F.relu(self.second(torch.stack([self.act(self.first(row)) for row in x])))


@pytest.mark.parametrize("size", [1, 4])
def test_every_call_for_a_single_example_is_counted(size):
    with pytest.warns(CodesWarning, match=r"1 gate left out \(act\): no axis is the batch"):
        codes = hl.encode(make(Looping), numbers(8, 4), batch_size=size)
    assert [layer.name for layer in codes.layers] == ["relu"]
    if size == 4:
        assert "in the first of 4 calls" in codes.provenance.left_out[0]


class Pairs(nn.Module):
    def forward(self, x):
        return F.relu(x), F.relu(x[:, None] - x[None])


def test_a_gate_of_pairs_of_examples_belongs_to_none():
    with pytest.warns(CodesWarning, match=r"1 gate left out \(relu#1\): several axes are the batch"):
        codes = hl.encode(Pairs(), numbers(6, 4))
    assert np.array_equal(codes.unpack(), (numbers(6, 4) > 0).numpy())


class Graphs(nn.Module):
    """Nodes of all graphs behind each other, and one row for each graph."""

    def __init__(self):
        super().__init__()
        self.node, self.graph = nn.Linear(4, 8), nn.Linear(8, 3)

    def forward(self, nodes, graph, n):
        found = F.relu(self.node(nodes))
        return F.relu(self.graph(nodes.new_zeros(n, 8).index_add(0, graph, found)))


def test_nodes_of_graphs_are_left_out_and_never_dropped():
    graphs = [numbers(3 + at % 3, 4, seed=at) for at in range(6)]
    model = make(Graphs)

    def collated(rows, first):
        nodes = {
            "nodes": torch.cat(rows),
            "graph": torch.cat([torch.full((len(row),), at) for at, row in enumerate(rows)]),
        }
        return {"size": torch.ones(len(rows)), **nodes} if first else {**nodes, "size": torch.ones(len(rows))}

    forward = lambda net, batch: net(batch["nodes"], batch["graph"], int(batch["graph"].max()) + 1)  # noqa: E731
    loader = torch.utils.data.DataLoader(graphs, 3, collate_fn=lambda rows: collated(rows, first=True))
    with pytest.warns(CodesWarning, match=r"1 gate left out \(relu\)"):
        codes = hl.encode(model, loader, forward=forward)
    expected = [model.graph(F.relu(model.node(graph)).sum(dim=0)) > 0 for graph in graphs]
    assert np.array_equal(codes.unpack(), torch.stack(expected).numpy())
    loader = torch.utils.data.DataLoader(graphs, 3, collate_fn=lambda rows: collated(rows, first=False))
    with pytest.raises(DataError, match="the first tensor of batches of 6 examples has 12 rows or more"):
        hl.encode(model, loader, forward=forward)


class Listed(nn.Module):
    """Images of any size in a list, as detectors take them."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 5)

    def forward(self, rows, images):
        return F.relu(self.fc(rows + torch.stack([image.mean(dim=(1, 2)) for image in images])))


def test_a_list_with_an_entry_for_each_example_is_probed_entry_by_entry():
    model, rows = make(Listed), numbers(6, 3)
    images = [numbers(3, 4 + at, 5, seed=at) for at in range(6)]
    data = torch.utils.data.DataLoader(
        list(zip(rows, images, strict=True)), 4,
        collate_fn=lambda batch: {"rows": torch.stack([row for row, _ in batch]), "images": [at for _, at in batch]},
    )  # fmt: skip
    codes = hl.encode(model, data)
    expected = model.fc(rows + torch.stack([image.mean(dim=(1, 2)) for image in images])) > 0
    assert np.array_equal(codes.unpack(), expected.numpy())
    assert codes.provenance.left_out == ()


def test_a_mapping_of_its_own_class_is_handed_on_as_it_is():
    class Encoding(collections.UserDict):
        @property
        def rows(self):
            return self.data["rows"]

    data = torch.utils.data.DataLoader(numbers(6, 4), 3, collate_fn=lambda rows: Encoding(rows=torch.stack(rows)))
    model = make(lambda: nn.Sequential(nn.Linear(4, 5), nn.ReLU()))
    codes = hl.encode(model, data, forward=lambda net, batch: net(batch.rows))
    assert np.array_equal(codes.unpack(), (model[0](numbers(6, 4)) > 0).numpy())


def test_rows_that_changed_have_not_moved():
    x = numbers(20, 8)
    first = row_marks(x[:3], 0)
    assert not have_moved(first, row_marks(x, 0))
    assert not have_moved(first, row_marks(x * (1 + 1e-7), 0))
    assert not have_moved(first, row_marks(x + 1, 0))
    assert have_moved(first, row_marks(x.flip(0), 0))
    assert have_moved(first, row_marks(x.flip(0).T, 1))
    assert not have_moved(first, row_marks(x[:1], 0))


class OfWeights(nn.Module):
    """A gate on numbers computed from a weight, with an axis of one entry in front."""

    def __init__(self):
        super().__init__()
        self.weight, self.fc = nn.Parameter(torch.ones(1, 4)), nn.Linear(4, 5)

    def forward(self, x):
        return F.relu(self.fc(x * torch.sigmoid(2 * self.weight)))


class TokensFirst(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 5)

    def forward(self, x):
        return F.relu(self.fc(x.transpose(0, 1))).mean(0)


class Squeezed(OfWeights):
    """It cannot take one example alone."""

    def forward(self, x):
        return super().forward(x.squeeze().reshape(*x.squeeze().shape[:-2], -1, 4))


class ListOfImages(nn.Module):
    """One call for a list of images, as detectors are called."""

    def forward(self, images):
        return F.relu(torch.stack([image - image.mean() for image in images]))


@pytest.mark.parametrize("build", [OfWeights, TokensFirst, Squeezed])
@pytest.mark.parametrize("size", [1, 4])
def test_one_example_has_the_code_that_it_has_among_others(build, size):
    model, x = make(build), numbers(4, 3, 4)
    codes = hl.encode(model, x)
    assert len(codes.layers) == 1
    assert np.array_equal(hl.encode(model, x[:1]).packed, codes[:1].packed)
    assert np.array_equal(hl.encode(model, x, batch_size=size).packed, codes.packed)


def test_a_list_of_one_image_is_one_example():
    images = [numbers(1, 4, 4, seed=seed) for seed in range(3)]
    codes = [
        hl.encode(
            ListOfImages(),
            torch.utils.data.DataLoader(images, batch_size=size, collate_fn=lambda rows: (rows, [{} for _ in rows])),
            forward=lambda net, batch: net(batch[0]),
        )
        for size in (1, 3)
    ]
    expected = torch.stack([image > image.mean() for image in images]).flatten(1).numpy()
    assert all(np.array_equal(code.unpack(), expected) for code in codes)


@pytest.mark.parametrize("breakpoints", [(3, 1, 1), (1, 4, 1), (4, 5), (4, 1)])
def test_breakpoints_lie_where_the_operator_has_them_though_tokens_come_first(breakpoints):
    low = numbers(*breakpoints, seed=1)

    class Clamped(nn.Module):
        def forward(self, x):
            many = low.shape[-2] == 4  # of examples, of which the probe has fewer
            return x.transpose(0, 1).clamp(min=low[..., : x.shape[0], :] if many else low)

    x = numbers(4, 3, 5)
    expected = (x.transpose(0, 1) > low).transpose(0, 1).flatten(1)
    assert np.array_equal(hl.encode(Clamped(), x).unpack(), expected.numpy())


def test_tokens_first_are_no_folded_ones_where_there_are_as_many():
    """One example of 5 tokens with the tokens first has as many rows as if they were folded into the batch."""
    model, x = make(TokensFirst), numbers(1, 5, 4)
    codes = hl.encode(model, x, mask=lambda batch: torch.ones(batch.shape[:2], dtype=torch.bool))
    assert np.array_equal(codes.unpack(), (model.fc(x) > 0).flatten(1).numpy())


class Experts(nn.Module):
    """Experts in a loop, each with the tokens that are routed to it."""

    def __init__(self, experts=4):
        super().__init__()
        self.first, self.router = nn.Linear(4, 4), nn.Linear(4, experts)
        self.experts = nn.ModuleList(nn.Sequential(nn.Linear(4, 5), nn.ReLU()) for _ in range(experts))

    def forward(self, x):
        tokens = F.gelu(self.first(x)).reshape(-1, 4)
        chosen = self.router(x.reshape(-1, 4)).argmax(dim=1)
        out = tokens.new_zeros(len(tokens), 5)
        for number, expert in enumerate(self.experts):
            rows = (chosen == number).nonzero()[:, 0]
            if len(rows):
                out = out.index_add(0, rows, expert(tokens[rows]))
        return out.reshape(len(x), -1, 5).mean(1)


@pytest.mark.parametrize("size", [1, 2, 3, 12])
@pytest.mark.parametrize("tokens", [2, 5])
def test_experts_in_a_loop_are_left_out_at_every_batch_size(size, tokens):
    model, x = make(Experts), numbers(12, tokens, 4)
    with pytest.warns(CodesWarning, match=r"left out \(experts"):
        codes = hl.encode(model, x, batch_size=size)
    assert [layer.name for layer in codes.layers] == ["gelu"]
    assert np.array_equal(codes.unpack(), (model.first(x) > 0).flatten(1).numpy())


class OfTwo(Experts):
    """Experts in a network that takes no single example."""

    def forward(self, x):
        assert len(x) > 1
        return super().forward(x)


def test_experts_are_left_out_where_one_example_is_run_twice():
    model, x = make(OfTwo), numbers(12, 3, 4)
    with pytest.warns(CodesWarning, match=r"left out \(experts"):
        codes = hl.encode(model, x, batch_size=1)
    assert [layer.name for layer in codes.layers] == ["gelu"]
    assert np.array_equal(codes.unpack(), (model.first(x) > 0).flatten(1).numpy())
