import numpy as np
import pytest
import torch
from torch import nn

import hashlens as hl
from hashlens.errors import CaptureError, DataError, HashlensError, MeasureError, ModelError
from hashlens.measures import Control


@pytest.fixture(scope="module")
def trained():
    return hl.train("mlp", hl.load_data("digits#train"), recipe="figures", epochs=20, width=32, depth=2).network


@pytest.fixture(scope="module")
def measured(trained):
    return hl.measure(trained, "digits#train", "digits#test", logistic="one-vs-one")


def test_numbers_are_those_of_the_parts(trained, measured):
    train, test = hl.encode(trained, "digits#train"), hl.encode(trained, "digits#test")
    assert measured.code_bits == 64
    assert measured.redundancy_ratio.train == hl.redundancy_ratio(train)
    assert measured.redundancy_ratio.test == hl.redundancy_ratio(test)
    assert measured.informative_bits == train.informative(test).code_bits
    assert measured.categorization == hl.categorization(train, test, logistic="one-vs-one")
    assert measured.conflicts.train == () or all(group.conflicting for group in measured.conflicts.train)
    assert measured.determinism.train.rarefied_to == 360


def test_network_accuracy_is_the_networks_own(trained, measured):
    examples = hl.load_data("digits#test").load()
    with torch.no_grad():
        predicted = trained(examples.tensor()).argmax(1).numpy()
    assert measured.network_accuracy.test == np.mean(predicted == examples.labels)


def test_penultimate_features_are_the_input_of_the_head(trained):
    from hashlens.codes.observe import observe
    from hashlens.codes.reading import Reading

    seen = observe(trained, "digits#test", Reading(), 1 << 20, penultimate=True)
    inputs = []
    handle = trained.head.register_forward_hook(lambda module, given, output: inputs.append(given[0]))
    with torch.no_grad():
        trained(hl.load_data("digits#test").load().tensor())
    handle.remove()
    assert np.allclose(seen.penultimate, inputs[0].numpy(), atol=1e-5)


def test_all_controls_are_there(measured):
    assert list(measured.controls) == ["untrained", "random_hyperplanes", "raw_inputs", "penultimate"]
    assert all(control.available and control.knn and control.logistic for control in measured.controls.values())
    assert measured.controls["untrained"].redundancy_ratio is not None
    assert 0 <= measured.random_inputs.redundancy_ratio.test <= 1


def test_layers_are_measured_alone(trained, measured):
    assert [at.name for at in measured.layers] == [at.name for at in hl.encode(trained, "digits[:2]").layers]
    first = hl.encode(trained, "digits#test").layer(measured.layers[0].name)
    assert measured.layers[0].redundancy_ratio.test == hl.redundancy_ratio(first)


def test_it_prints_and_turns_into_plain_data(measured):
    import json

    text = str(measured)
    assert all(word in text for word in ("redundancy ratio R", "raw inputs", "Layer by layer", measured.regime.name))
    body = json.loads(json.dumps(measured.to_dict()))
    assert body["schema_version"] == 1
    assert body["controls"]["raw_inputs"]["available"] is True


def test_the_call_that_made_it_is_kept(trained, measured):
    assert measured.command == "hashlens.measure(model, 'digits#train', 'digits#test', logistic='one-vs-one')"
    given = hl.load_data("digits[:60]")
    found = hl.measure(trained, given, given, controls=False, seed=3, untrained=trained)
    assert found.command == "hashlens.measure(model, train, test, seed=3, controls=False, untrained=untrained)"
    assert found.data.train is found.data.test is given


@pytest.mark.slow
def test_a_control_that_a_model_does_not_allow_says_why():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.linspace(-1, 1, 64 * 40).view(64, 40))

        def forward(self, x):
            return torch.relu((x.flatten(1) - 0.3) @ self.weight)

    report = hl.measure(Scaled(), "digits[:300]", "digits[300:400]")
    untrained = report.controls["untrained"]
    assert not untrained.available
    assert "Scaled" in untrained.reason
    assert "no reset_parameters" in str(report)
    given = hl.measure(Scaled(), "digits[:300]", "digits[300:400]", untrained=Scaled())
    assert given.controls["untrained"].knn == given.categorization.knn


@pytest.mark.slow
def test_codes_beyond_the_memory_budget_are_sampled_and_said_to_be(trained):
    whole = hl.measure(trained, "digits#train", "digits#test", controls=False)
    small = hl.measure(trained, "digits#train", "digits#test", controls=False, memory_budget=8 * 1797 * 4)
    assert small.redundancy_ratio == whole.redundancy_ratio
    assert small.code_bits == whole.code_bits
    assert small.categorization.bits_used == 8
    assert small.categorization.sampled


def test_codes_beyond_the_memory_budget_are_never_kept_whole():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        wide = nn.Sequential(nn.Flatten(), nn.Linear(64, 300), nn.ReLU(), nn.Linear(300, 10))
    whole = hl.encode(wide, "digits[:300]")
    report = hl.measure(wide, "digits[:300]", "digits[300:400]", controls=False, memory_budget=8 * 400)
    assert report.redundancy_ratio.train == hl.redundancy_ratio(whole)
    assert report.bits_to_determinism == hl.bits_to_determinism(whole.sample_bits(64))
    assert report.provenance.train.sampled_from == report.code_bits == 300
    assert "64 of them" in report.notes[0]


def test_sampled_bits_are_those_of_every_number(trained):
    from hashlens.data import random_inputs
    from hashlens.seeds import numpy_generator

    report = hl.measure(trained, "digits#train", "digits#test", controls=False, bits=6)
    noise = random_inputs(hl.load_data("digits#test"), 360, numpy_generator(0, "random inputs"))
    assert report.random_inputs.redundancy_ratio.test == hl.redundancy_ratio(hl.encode(trained, noise, bits=6))
    assert report.floor.redundancy_ratio > 0.5, "256 codes of 6 bits have at most 64 values"


@pytest.mark.slow
def test_random_inputs_beyond_the_memory_budget_are_unavailable(trained):
    report = hl.measure(trained, "digits#train", "digits#test", controls=False, memory_budget=4 * 64 * 359)
    assert not report.random_inputs.available
    assert "memory budget" in report.random_inputs.reason


@pytest.mark.slow
def test_ids_that_repeat_cost_the_floor_only(trained):
    from hashlens.data import tile

    report = hl.measure(trained, "digits#train", tile(hl.load_data("digits[:200]"), 400), controls=False)
    assert report.floor is None
    assert "ids repeat" in " ".join(report.notes)


def test_dict_batches_with_forward_and_no_plain_controls(trained):
    class Rows(torch.utils.data.Dataset):
        def __init__(self, source):
            self.examples = hl.load_data(source).load()

        def __len__(self):
            return len(self.examples)

        def __getitem__(self, at):
            return {"pixels": self.examples.tensor([at])[0], "label": int(self.examples.labels[at])}

    report = hl.measure(
        trained, Rows("digits[:200]"), Rows("digits[200:260]"), forward=lambda net, batch: net(batch["pixels"])
    )
    assert report.network_accuracy.test > 0.5
    assert report.controls["raw_inputs"] == Control(
        "raw_inputs", available=False, reason=report.controls["raw_inputs"].reason
    )
    assert report.controls["penultimate"].available


def test_soft_codes_are_labelled_as_soft():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        soft = nn.Sequential(nn.Flatten(), nn.Linear(64, 20), nn.GELU(), nn.Linear(20, 10))
    report = hl.measure(soft, "digits[:300]", "digits[300:400]", controls=False)
    assert report.soft
    assert "soft codes" in str(report)


NAMED = [
    (torch.rand(30, 1, 8, 8, generator=torch.Generator().manual_seed(0)), np.array(list(names) * 15))
    for names in ("ab", "bc")
]
ONE_CLASS = (torch.rand(30, 1, 8, 8, generator=torch.Generator().manual_seed(0)), np.zeros(30, np.int64))


def test_classes_of_train_and_test_are_compared_by_name(trained):
    # The same inputs, called a, b, a, ... in one and b, c, b, ... in the other: by name nothing agrees, by number all.
    report = hl.measure(trained, *NAMED, k=1, controls=False)
    assert report.categorization.knn == 0
    assert any("c" in note for note in report.notes)


@pytest.mark.parametrize(
    ("train", "test", "arguments", "kind", "message"),
    [
        ("digits[:50]", torch.rand(5, 1, 8, 8, generator=torch.Generator()), {}, MeasureError, "test.*has no labels"),
        (ONE_CLASS, "digits[:50]", {}, MeasureError, "at least two classes"),
        ("digits[:8]", "digits[:50]", {"k": 9}, MeasureError, "k=9"),
        ("digits[:50]", "digits[:50]", {"k": "9"}, MeasureError, "k must be a whole number, 1 or more, received '9'"),
        ("digits[:50]", "digits[:50]", {"k": True}, MeasureError, "k must be a whole number, 1 or more, received True"),
        ("digits[:50]", "digits[:50]", {"memory_budget": "2G"}, MeasureError, "memory_budget must be .* bytes, .*'2G'"),
        ("digits[:50]", "digits[:50]", {"memory_budget": None}, MeasureError, "memory_budget must be .* bytes, .*None"),
        (
            "digits[:50]",
            "digits[:50]",
            {"thresholds": 0.5},
            MeasureError,
            "thresholds must be RegimeThr.*, received 0.5",
        ),
        ("digits[:50]", "digits[:50]", {"logistic": None}, MeasureError, "unknown logistic regression None: known"),
        ("digits[:0]", "digits[:50]", {}, DataError, "digits"),
        (
            "digits[:50]",
            "digits[:50]",
            {"projection": "tsne"},
            MeasureError,
            "must be 'pca' or 'umap', received 'tsne'",
        ),
        ("digits[:50]", "digits[:50]", {"logistic": "ovo"}, MeasureError, "one-vs-one"),
        ("digits[:50]", "digits[:50]", {"layers": "hiden.*"}, CaptureError, "no layer matches 'hiden"),
    ],
)
def test_bad_input_is_one_line(trained, train, test, arguments, kind, message):
    with pytest.raises(kind, match=message) as error:
        hl.measure(trained, train, test, **arguments)
    assert "\n" not in str(error.value)


def test_page_escapes_what_users_name(trained, tmp_path):
    evil = type("<script>alert(1)</script>", (nn.Sequential,), {})(trained)
    page = hl.measure(evil, "digits[:300]", "digits[300:400]", controls=False).to_html(tmp_path / "page.html")
    assert "<script>alert(1)" not in page.read_text()
    assert "&lt;script&gt;alert(1)" in page.read_text()


def test_a_network_without_gates_is_refused():
    with torch.random.fork_rng():
        linear = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    with pytest.raises(HashlensError, match="gives no code"):
        hl.measure(linear, "digits[:50]", "digits[:50]")


def test_labels_without_an_output_give_no_network_accuracy(trained):
    examples = hl.load_data("digits[:200]").load()
    shifted = (examples.tensor(), examples.labels + 5)
    report = hl.measure(trained, shifted, shifted, controls=False)
    assert (report.network_accuracy.train, report.network_accuracy.test) == (None, None)
    assert "labels go up to 14, but the network's output has 10 classes" in " ".join(report.notes)


@pytest.mark.slow
def test_classes_that_train_lacks_are_told(trained):
    train = hl.load_data("digits[:200]").load()
    report = hl.measure(trained, train.select(np.flatnonzero(train.labels != 3)), "digits[200:300]", controls=False)
    test = hl.load_data("digits[200:300]").labels
    told = f"{np.sum(test == 3)} of 100 test examples are of classes that train has no example of (3): "
    assert sum(note.startswith(told) for note in report.notes) == 1
    whole = hl.measure(trained, train, "digits[200:300]", controls=False)
    assert not any("no example of" in note for note in whole.notes)


def test_an_undefined_output_is_refused(trained):
    class Undefined(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = trained

        def forward(self, x):
            return self.inner(x) * float("nan")

    with pytest.raises(ModelError, match="the output of the model is NaN for 50 of 50 examples"):
        hl.measure(Undefined(), "digits[:50]", "digits[:50]")


@pytest.mark.slow
def test_autocast_is_for_the_network_alone(trained):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        report = hl.measure(trained, "digits[:200]", "digits[200:300]")
    assert report.provenance.train.autocast == "torch.bfloat16"
    plain = hl.measure(trained, "digits[:200]", "digits[200:300]")
    for control in ("raw_inputs", "random_hyperplanes"):
        assert report.controls[control] == plain.controls[control]


def test_a_network_with_other_outputs_than_classes_is_compared_with_nothing():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        backbone = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 40))
    report = hl.measure(backbone, "digits[:300]", "digits[300:400]", controls=False)
    assert report.regime.retention <= 1
    assert any("output has 40 classes" in note for note in report.notes)


class Tokens(torch.utils.data.Dataset):
    def __init__(self, lengths):
        generator = torch.Generator().manual_seed(0)
        self.rows = [torch.randint(1, 9, (length,), generator=generator) for length in lengths]

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, at):
        return {"input_ids": self.rows[at], "label": int(self.rows[at].sum() % 2)}


def padded(items):
    rows = [item["input_ids"] for item in items]
    ids = nn.utils.rnn.pad_sequence(rows, batch_first=True)
    return {"input_ids": ids, "mask": ids > 0, "label": torch.tensor([item["label"] for item in items])}


def test_padded_tokens_of_varying_length_are_measured():
    class Tagger(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.fc, self.head = nn.Embedding(10, 8), nn.Linear(8, 6), nn.Linear(6, 2)

        def forward(self, ids):
            return self.head(torch.relu(self.fc(self.embed(ids))).mean(1))

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Tagger()
    train = torch.utils.data.DataLoader(Tokens([3, 7, 5, 4] * 10), batch_size=8, collate_fn=padded)
    test = torch.utils.data.DataLoader(Tokens([2, 6, 6, 3] * 5), batch_size=4, collate_fn=padded)
    report = hl.measure(model, train, test, mask="mask", forward=lambda net, batch: net(batch["input_ids"]))
    codes = hl.encode(model, train, mask="mask", forward=lambda net, batch: net(batch["input_ids"]))
    assert report.redundancy_ratio.train == hl.redundancy_ratio(codes)
    assert report.code_bits == 7 * 6
    assert report.network_accuracy.test is not None


def test_a_sample_of_bits_is_said_to_be_one(trained):
    report = hl.measure(trained, "digits[:300]", "digits[300:400]", bits=20, controls=False)
    assert any("20 of 64 bits" in note for note in report.notes)
    assert "20 bits drawn from 64" in str(report)


@pytest.mark.slow
def test_codes_that_nothing_was_learnt_for_are_compared_with(trained):
    report = hl.measure(trained, "digits#train", "digits#test")
    own = max(report.categorization.knn, report.categorization.logistic)
    untrained = report.controls["untrained"]
    as_good = max(untrained.knn, untrained.logistic) >= own
    assert as_good == any("codes of the untrained network do as well" in note for note in report.notes)


def test_too_few_rows_for_clusters_are_told_without_an_argument_of_clusters():
    network = hl.train("mlp", "digits#train[:60]", epochs=0, width=8).network
    with pytest.raises(MeasureError, match=r"K-Means needs a row for each cluster, received 10 clusters and 2 rows"):
        hl.measure(network, "digits#train[:60]", "digits#test[:2]", controls=False)
