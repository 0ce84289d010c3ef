"""What a network's output is read as: by its last operator, by 64 rows, and by neither."""

import logging

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import hashlens as hl
from hashlens.codes.observe import observe
from hashlens.codes.output_evidence import OutputEvidence, adds_up, output_of
from hashlens.codes.reading import Reading


def seeded(make, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return make()


class Head(nn.Module):
    """A small network, with something done to its scores."""

    def __init__(self, head=lambda z: z, outputs=3):
        super().__init__()
        self.body = seeded(lambda: nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, outputs)))
        self.head = head

    def forward(self, x):
        return self.head(self.body(x))


INPUTS = torch.randn(130, 6, generator=torch.Generator().manual_seed(1))
LABELS = torch.arange(130) % 2


def seen(network, n=130, **arguments):
    return observe(network, (INPUTS[:n], LABELS[:n]), Reading(**arguments), 1 << 20)


def decided(head, outputs=3, n=130, **arguments):
    return seen(Head(head, outputs), n, **arguments).output


LAST = {
    "logits": (lambda z: z, 3, "logits"),
    "a temperature": (lambda z: 2 * z / 3 + 1, 3, "logits"),
    "logits in [0, 1]": (lambda z: 0.01 * z + 0.4, 3, "logits"),
    "one logit in [0, 1]": (lambda z: (0.01 * z + 0.5).squeeze(-1), 1, "binary_logit"),
    "softmax": (lambda z: z.softmax(1), 3, "probabilities"),
    "softmax of half precision": (lambda z: z.bfloat16().softmax(1).float(), 3, "probabilities"),
    "rounded softmax": (lambda z: z.softmax(1).round(decimals=1), 3, "probabilities"),
    "clamped softmax": (lambda z: z.softmax(1).clamp(1e-6, 1 - 1e-6), 3, "probabilities"),
    "softmax over the batch": (lambda z: z.softmax(0), 3, "logits"),
    "a part of softmax": (lambda z: z.softmax(1)[:, 1:], 3, "logits"),
    "log-softmax": (lambda z: z.log_softmax(1), 3, "logits"),
    "exp of log-softmax": (lambda z: z.log_softmax(1).exp(), 3, "probabilities"),
    "sigmoid": (lambda z: z.sigmoid(), 3, "multilabel_probabilities"),
    "sigmoid in place": (lambda z: z.clone().sigmoid_().view(-1), 1, "binary_probability"),
    "one score": (lambda z: z, 1, "binary_logit"),
    "a count": (F.softplus, 1, "regression"),
    "sigmoids of some classes": (lambda z: z.sigmoid()[:, :2], 3, "multilabel_probabilities"),
    "some of the logits": (lambda z: (0.01 * z + 0.4)[:, :2], 3, "logits"),
}


@pytest.mark.parametrize("case", LAST)
@pytest.mark.parametrize("n", [130, 12])
def test_the_last_operator_tells(case, n):
    head, outputs, kind = LAST[case]
    found = decided(head, outputs, n)
    assert found.kind == kind
    if case != "a part of softmax":
        assert "is its last operator" in found.reason


@pytest.mark.parametrize("n", [130, 12, 1])
@pytest.mark.parametrize("outputs", [2, 3])
def test_one_probability_of_a_softmax_is_one_whatever_it_is(outputs, n):
    rare = Head(lambda z: (z - torch.arange(outputs) * 9).softmax(1)[:, 1], outputs)  # below 1/2 in all rows
    found = seen(rare, n)
    assert (found.output.kind, found.output.certain) == ("binary_probability", True)
    assert "one of the probabilities that softmax gave last" in found.output.reason
    assert found.predictions.tolist() == [0] * n


def test_one_of_several_scores_is_a_logit_and_it_is_said():
    found = decided(lambda z: z[:, 1], 3, n=12)
    assert (found.kind, found.certain) == ("binary_logit", False)
    assert "one of the scores that an affine map gave last" in found.reason
    joined = decided(lambda z: torch.stack([z[:, 0], z[:, 1] - z[:, 0]], 1)[:, 1], 2)
    assert (joined.kind, joined.certain) == ("binary_logit", False)
    assert decided(lambda z: z.log_softmax(1)[:, 1], 3, n=12).certain is False


MEDIAN = Head(outputs=1)(INPUTS).median().detach()
ROWS = {
    "softmax by hand": (lambda z: z.exp() / z.exp().sum(1, keepdim=True), 3, "probabilities"),
    "an ensemble": (lambda z: (z.softmax(1) + (2 * z).softmax(1)) / 2, 3, "probabilities"),
    "two decimals by hand": (lambda z: (100 * z.softmax(1)).round() / 100, 3, "probabilities"),
    "half precision by hand": (lambda z: ((z.softmax(1) + z.softmax(1)) / 2).half().float(), 3, "probabilities"),
    "sigmoid by hand": (lambda z: 1 / (1 + torch.exp(MEDIAN - z)), 1, "binary_probability"),
    "outside": (lambda z: torch.cat([z, -z], 1), 3, "logits"),
}


@pytest.mark.parametrize("case", ROWS)
def test_where_the_last_operator_does_not_tell_64_rows_do(case):
    head, outputs, kind = ROWS[case]
    found = decided(head, outputs)
    assert (found.kind, found.certain) == (kind, True)
    assert "64" in found.reason
    few = decided(head, outputs, 63)
    assert (few.kind, few.certain) == ("logits" if outputs == 3 else "binary_logit", False)
    assert "63 rows, fewer than 64" in few.reason


def test_one_score_that_nothing_tells_is_a_logit_unless_it_is_large():
    found = decided(torch.tanh, 1)
    assert (found.kind, found.certain) == ("binary_logit", False)
    assert "may be a regression too" in found.reason
    prices = decided(lambda z: 1000 * torch.tanh(z) + 5000, 1)
    assert (
        (prices.kind, prices.certain) == ("binary_logit", True) if "affine" in prices.reason else ("regression", False)
    )


@pytest.mark.slow
@pytest.mark.parametrize("case", [*LAST, *ROWS])
def test_the_decision_is_of_the_network_and_not_of_the_batch(case):
    head, outputs, _ = {**LAST, **ROWS}[case]
    kinds = {decided(head, outputs, batch_size=size).kind for size in (1, 7, 64, 130)}
    assert len(kinds) == (2 if case == "softmax over the batch" and len(kinds) == 2 else 1)


def test_a_scripted_and_an_exported_network_are_read_as_they_are():
    plain = Head(lambda z: z.softmax(1))
    traced = torch.jit.trace(plain.eval(), INPUTS[:4], check_trace=False)
    assert seen(traced).output.kind == "probabilities"
    network = nn.Sequential(Head().body, nn.Softmax(1)).eval()
    program = torch.export.export(network, (INPUTS[:4],)).module()
    assert seen(program, 9).output.kind == "probabilities"


def test_what_is_declared_stands():
    assert decided(lambda z: z.softmax(1), output="logits").kind == "logits"
    taken = decided(lambda z: {"x": (z.relu(), z.softmax(1))}, output=lambda given: given["x"][1])
    assert (taken.kind, taken.reason) == ("probabilities", "softmax is its last operator")
    assert decided(lambda z: z, output=lambda z: z.sigmoid()).kind == "multilabel_probabilities"


SEVERAL = {
    "features first": lambda z: (z.relu().repeat(1, 4), z),
    "features last": lambda z: (z, torch.relu(z).repeat(1, 4)),
    "by name": lambda z: {"features": 3 * z, "logits": z},
    "probabilities last": lambda z: [z.relu(), z.tanh(), z + 0],
}


@pytest.mark.parametrize("case", SEVERAL)
def test_scores_are_found_among_features(case):
    expected = seen(Head()).predictions
    found = seen(Head(SEVERAL[case]))
    assert np.array_equal(found.predictions, expected)
    assert found.output.notes == ()


def test_an_ambiguous_choice_is_said_with_the_way_out():
    found = decided(lambda z: (z, 2 * z))
    assert found.part == (1,)
    assert found.notes == (
        "the model returns 2 tensors that may be scores: output[1] was used, the last result of an affine map; to "
        "choose another, give output=lambda output: output[...]",
    )


class Squeezed(nn.Module):
    """A network that squeezes axes of one, that of the batch among them."""

    def __init__(self):
        super().__init__()
        self.first, self.last = seeded(lambda: (nn.Conv1d(1, 5, 6), nn.Linear(5, 3)))

    def forward(self, x):
        return self.last(torch.relu(self.first(x[:, None]).squeeze()))


@pytest.mark.parametrize("network", [Squeezed(), Head(torch.squeeze), Head(torch.squeeze, 1)])
@pytest.mark.parametrize(("n", "batch_size"), [(129, 64), (3, 1), (1, 64)])
def test_a_batch_of_one_is_read_as_any_other(network, n, batch_size):
    whole, found = seen(network, 130), seen(network, n, batch_size=batch_size)
    assert np.array_equal(found.codes.packed, whole.codes.packed[:n])
    assert np.array_equal(found.predictions, whole.predictions[:n])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "said"),
    [
        (Head(lambda z: F.dropout(z, 0.5, True)), "dropout is active in eval mode"),
        (Head(lambda z: z + torch.randn_like(z)), "the network uses random numbers"),
        (Head(lambda z: F.rrelu(z, training=True)), "the network uses random numbers"),
        (nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5, track_running_stats=False), nn.ReLU(), nn.Linear(5, 3)),
         "batch normalisation uses the statistics of the batch"),
    ],
)  # fmt: skip
def test_what_depends_on_chance_or_on_the_batch_is_said(network, said, caplog):
    with caplog.at_level(logging.WARNING, "hashlens"):
        codes = hl.encode(network, INPUTS)
    assert said in caplog.text
    assert codes.provenance.unsteady.startswith(said)
    measured = hl.measure(network, (INPUTS, LABELS), (INPUTS[:40] + 1, LABELS[:40]), controls=False)
    assert any(note.startswith(said) for note in measured.notes)


def test_what_is_steady_is_not_warned_of(caplog):
    norms = nn.InstanceNorm1d(2), nn.GroupNorm(1, 2), nn.BatchNorm1d(2), nn.Dropout(0.5)
    steady = nn.Sequential(nn.Unflatten(1, (2, 3)), *norms, nn.ReLU(), nn.Flatten(), seeded(lambda: nn.Linear(6, 3)))
    assert hl.encode(steady, INPUTS).provenance.unsteady == ""
    assert caplog.text == ""


@pytest.mark.parametrize("classes", [2, 10, 1000])
def test_rounding_is_told_from_no_probabilities(classes):
    p = (3 * torch.randn(64, classes, generator=torch.Generator().manual_seed(0))).double().softmax(1)
    for rounded in (p.float(), p.half(), p.bfloat16(), p.half().float(), p.bfloat16().float(), p.round(decimals=3)):
        assert adds_up(rounded, loose=True)
    assert not adds_up(p * 1.002, loose=True)
    assert not adds_up((p * 1.002).float(), loose=True)
    assert not adds_up(torch.rand(64, classes, generator=torch.Generator().manual_seed(0)), loose=True)


def test_the_first_64_rows_decide_whatever_comes_later():
    evidence = OutputEvidence(None)
    rows = torch.rand(64, 3, generator=torch.Generator().manual_seed(0))
    evidence.add(rows / rows.sum(1, keepdim=True), 64)
    assert evidence.decide().kind == "probabilities"
    evidence.add(50 * rows, 64)
    assert evidence.decide().kind == "probabilities"


def test_the_decision_stands_in_codes_and_travels_with_them(tmp_path):
    codes = hl.encode(Head(lambda z: z.softmax(1)), INPUTS, out=tmp_path / "codes")
    assert codes.provenance.output == "probabilities (softmax is its last operator)"
    assert hl.Codes.load(tmp_path / "codes").provenance.output == codes.provenance.output
    assert hl.encode(nn.Sequential(nn.Unflatten(1, (2, 3)), nn.ReLU()), INPUTS).provenance.output == ""


def test_a_loaded_network_brings_its_reading(tmp_path):
    hl.train("mlp", "digits#train", epochs=1, width=8, out=tmp_path / "net")
    network = hl.load_model(tmp_path / "net")
    assert hl.encode(network, "digits#test").provenance.output == "logits (as network.json says)"
    assert hl.encode(network, "digits#test").provenance.parameters_digest


def test_measure_says_how_it_read_and_takes_what_it_is_told():
    network, data = Head(lambda z: z, 1), (INPUTS, LABELS)
    measured = hl.measure(network, data, data, controls=False)
    wanted = float(((network(INPUTS)[:, 0] > 0).long() == LABELS).float().mean())
    assert measured.network_accuracy.train == pytest.approx(wanted)
    assert "Output read as binary_logit (one score, and an affine map is its last operator)" in " ".join(
        str(measured).split()
    )
    told = hl.measure(network, data, data, controls=False, output="regression")
    assert told.network_accuracy.train is None
    assert "output read as regression (as declared): it has no classes, so there is no accuracy" in told.notes


@pytest.mark.parametrize("bias", [-4.0, 0.0, 4.0])
def test_percentages_of_one_score_are_read_alike_whatever_the_examples(bias):
    network = Head(lambda z: 100 * (z + bias).sigmoid(), 1)
    assert {seen(network, n).output.kind for n in (2, 60, 130)} == {"regression"}
    explained = " ".join(str(hl.explain(network, INPUTS[:3], "gradient")).split())
    assert "Output read as regression" in explained
    assert "divide them in output=" in explained
    assert decided(lambda z: 100 * z.sigmoid(), 1, output=lambda z: z / 100).kind == "binary_probability"


def test_a_mean_of_sigmoids_is_a_probability_and_percentages_of_labels_are_no_certain_logits():
    assert decided(lambda z: z.sigmoid().mean(1), 3, n=8).kind == "binary_probability"
    assert decided(lambda z: 1 - z.sigmoid(), 1, n=8).kind == "binary_probability"
    found = decided(lambda z: 100 * z.sigmoid())
    assert (found.kind, found.certain) == ("logits", False)


def test_percentages_are_named_with_the_way_out():
    found = decided(lambda z: 100 * z.softmax(1))
    assert (found.kind, found.certain) == ("logits", False)
    assert "add up to 100" in found.reason
    assert decided(lambda z: 100 * z.softmax(1), output=lambda z: z / 100).kind == "probabilities"


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 2, 64])
@pytest.mark.parametrize(
    "head",
    [
        lambda z: {"loss": z.sum(), "out": z},
        lambda z: {"out": z, "aux_loss": z.square().mean()},
        lambda z: (z.sum(), z),
        lambda z: {"loss per example": z.sum(1), "out": z},
    ],
)
def test_a_loss_is_no_score_in_any_batch_size(head, size):
    found = seen(Head(head), batch_size=size)
    assert np.array_equal(found.predictions, seen(Head()).predictions)
    assert (found.output.kind, found.output.notes) == ("logits", ())


class OfTheBatch(torch.nn.Module):
    """What a gate gets depends on the other examples of a batch, by plain means, or on a generator that torch lacks."""

    def __init__(self, way):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.first, self.last, self.way = torch.nn.Linear(5, 8), torch.nn.Linear(8, 3), way
        self.numbers = np.random.default_rng(0)

    def forward(self, x):
        x = self.first(x)
        if self.way == "mean of the batch":
            x = x - x.mean(dim=0)
        elif self.way == "noise of NumPy":
            x = x + torch.from_numpy(self.numbers.normal(size=tuple(x.shape)).astype(np.float32))
        return self.last(torch.relu(x))


@pytest.mark.parametrize("way", ["mean of the batch", "noise of NumPy", "neither"])
def test_what_differs_between_two_batches_is_noticed(way, caplog):
    inputs = torch.linspace(-1, 1, 60).reshape(12, 5) ** 3
    codes = hl.encode(OfTheBatch(way).eval(), inputs)
    noticed = "the same examples gave different values in two small batches"
    assert (noticed in codes.provenance.unsteady) == (noticed in caplog.text) == (way != "neither")
    assert (codes.provenance.unsteady == "") == (way == "neither")


@pytest.mark.parametrize(
    ("bias", "kind", "runs"),
    [([0.0], "binary_logit", 1), ([5.0, 0.0], "logits", 1), ([0.5, 0.5], "probabilities", 2)],
)
def test_more_inputs_are_run_only_if_they_can_change_the_decision(bias, kind, runs):
    network = torch.nn.utils.skip_init(torch.nn.Linear, 3, len(bias))
    network.weight.data.zero_()
    network.bias.data.copy_(torch.tensor(bias))
    called = []
    network.register_forward_hook(lambda *_: called.append(1))
    with torch.no_grad():
        assert output_of(network, torch.ones(2, 3)).kind == kind
    assert len(called) == runs
