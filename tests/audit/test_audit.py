"""The whole audit, on digits in which something was planted."""

import csv
import json
import re
from dataclasses import fields, replace

import numpy as np
import pytest
import torch

import hashlens as hl
from hashlens.audit.audit import Audit, audit
from hashlens.audit.headline import findings
from hashlens.audit.page import audit_page
from hashlens.errors import AuditError, HashlensError, OutputError
from hashlens.nets import load_model
from hashlens.result import Split

LEAKED, WRONG = np.arange(0, 40, 2), np.arange(100, 130, 3)


@pytest.fixture(scope="module")
def planted():
    """Test digits of which some are training digits with a little noise, and some have a wrong label."""
    train, test = hl.load_data("digits#train").load(), hl.load_data("digits#test").load()
    inputs, labels = test.tensor().clone(), test.labels.copy()
    noise = torch.randn(len(LEAKED), *inputs.shape[1:], generator=torch.Generator().manual_seed(0))
    inputs[LEAKED] = (train.tensor(slice(0, len(LEAKED))) + 0.002 * noise).clamp(0, 1)
    labels[LEAKED] = train.labels[: len(LEAKED)]
    labels[WRONG] = (labels[WRONG] + 5) % 10
    return (train.tensor(), train.labels), (inputs, labels)


@pytest.fixture(scope="module")
def network(planted):
    return hl.train("cnn", planted[0], recipe="figures", epochs=6, width=8, seed=1).network


@pytest.fixture(scope="module")
def found(network, planted):
    return audit(network, *planted)


def test_planted_leaks_are_first(found):
    assert found.leaks is not None
    first = found.leaks.rows[: len(LEAKED)]
    assert np.isin(first, LEAKED).mean() >= 0.9
    partners = dict(zip(found.leaks.rows, found.leaks.train_rows, strict=True))
    assert np.mean([partners[row] == at for at, row in enumerate(LEAKED)]) >= 0.9


def test_planted_wrong_labels_are_first(found):
    first = found.label_issues.test.rows[: len(WRONG)]
    assert np.isin(first, WRONG).mean() >= 0.7


def test_the_accuracy_is_the_networks_own_and_corrected_only_where_a_temperature_fits(found, network, planted):
    inputs, labels = planted[1]
    with torch.no_grad():
        right = (network(inputs).argmax(dim=1).numpy() == labels).mean()
    assert found.accuracy.reported.accuracy == pytest.approx(right)
    if found.accuracy.no_estimate:
        assert found.accuracy.estimate is None
        assert found.accuracy.no_estimate in " ".join(str(found).split())
    else:
        assert found.accuracy.estimate.accuracy > right
    assert "Reported accuracy" in str(found)


def test_every_table_is_written_with_the_ids(found, tmp_path):
    folder = found.to_csv(tmp_path / "tables")
    assert sorted(file.name for file in folder.iterdir()) == [
        "audit.json", "blind-spots.csv", "label-issues-test.csv", "label-issues-train.csv", "leaks.csv", "novel.csv",
    ]  # fmt: skip
    lines = list(csv.DictReader((folder / "leaks.csv").read_text().splitlines()))
    assert len(lines) == len(found.leaks)
    assert [int(line["id"]) for line in lines] == found.leaks.ids.tolist()


def test_the_page_fetches_nothing_and_shows_images(found, tmp_path):
    text = found.to_html(tmp_path / "audit.html").read_text()
    written = re.sub(r"<script.*?</script>", "", text, flags=re.S)
    assert not re.search(r"(src|href|url)[=(][\"']?https?:", written)
    assert "default-src 'none'" in written
    assert written.count("data:image/png;base64,") == 1
    assert str(found.accuracy).split(";")[0] in text


def test_a_folder_brings_all_of_an_audit_back(found, tmp_path):
    loaded = Audit.load(found.to_csv(tmp_path / "tables"))
    assert loaded.to_dict() == found.to_dict()
    assert str(loaded) == str(found)
    for name, part in found.parts.items():
        for field in fields(part):
            expected, value = getattr(part, field.name), getattr(loaded.parts[name], field.name)
            if isinstance(expected, np.ndarray):
                assert value.dtype == expected.dtype, (name, field.name)
                assert np.array_equal(value, expected), (name, field.name)
    expected, groups = found.leaks.groups, loaded.leaks.groups
    assert [group.ids.test.tolist() for group in groups] == [group.ids.test.tolist() for group in expected]


def test_parts_of_older_audits_take_the_names_of_classes_from_the_whole(found, tmp_path):
    names = tuple(f"digit {number}" for number in range(10))
    folder = replace(found, class_names=names).to_csv(tmp_path / "tables")
    assert "class_names" in json.loads((folder / "audit.json").read_text())["blind_spots"]
    summary = json.loads((folder / "audit.json").read_text())
    parts = (summary["leaks"], *summary["label_issues"].values(), summary["blind_spots"])
    for part in parts:
        del part["class_names"]
    (folder / "audit.json").write_text(json.dumps(summary))
    loaded = Audit.load(folder)
    for part in (loaded.leaks, *(loaded.label_issues.train, loaded.label_issues.test), loaded.blind_spots):
        assert part.class_names == names
    assert f"digit {found.label_issues.test.given[0]}" in str(loaded.label_issues.test)


def test_a_folder_of_an_audit_is_written_over_only_where_that_is_asked_for(found, tmp_path):
    folder = tmp_path / "tables"
    folder.mkdir()
    (folder / "novel.csv").write_text("mine")
    with pytest.raises(OutputError, match=r"novel.csv exists already: choose another path, or give overwrite=True"):
        found.to_csv(folder)
    assert [(at.name, at.read_text()) for at in folder.iterdir()] == [("novel.csv", "mine")]
    (folder / "notes.txt").write_text("mine")
    assert Audit.load(found.to_csv(folder, overwrite=True)).to_dict() == found.to_dict()
    assert (folder / "notes.txt").read_text() == "mine"


def test_what_is_loaded_takes_its_data_back_and_no_other(found, planted, tmp_path):
    loaded = Audit.load(found.to_csv(tmp_path / "tables"))
    assert loaded.data is None
    assert "url(data:image" not in loaded.to_html(tmp_path / "bare.html").read_text()
    again = loaded.with_data(*planted)
    assert "url(data:image/png" in again.to_html(tmp_path / "whole.html").read_text()
    with pytest.raises(AuditError, match="test has 100 examples, but 360 were audited"):
        loaded.with_data(planted[0], "digits#test[:100]")


def test_ids_that_look_like_numbers_stay_text(found, tmp_path):
    named = np.array([f"{row:05d}" for row in range(len(found.label_issues.test))])
    parts = {
        name: replace(part, ids=named[part.rows])
        for name, part in (("leaks", found.leaks), ("blind_spots", found.blind_spots), ("novel", found.novel))
    }
    issues = Split(found.label_issues.train, replace(found.label_issues.test, ids=named[found.label_issues.test.rows]))
    loaded = Audit.load(replace(found, label_issues=issues, **parts).to_csv(tmp_path / "tables"))
    assert loaded.leaks.ids[0] == f"{loaded.leaks.rows[0]:05d}"
    assert loaded.leaks.train_ids.dtype == np.int64
    assert np.array_equal(loaded.leaks.rows, found.leaks.rows)


def test_a_threshold_that_nothing_reaches_is_kept(found, tmp_path):
    unreached = replace(found, novel=replace(found.novel, threshold=float("inf")))
    assert Audit.load(unreached.to_csv(tmp_path / "tables")).novel.threshold == float("inf")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda folder: (folder / "audit.json").unlink(), "holds no audit"),
        (lambda folder: (folder / "audit.json").write_text("{"), "is broken"),
        (lambda folder: (folder / "audit.json").write_text('{"kind": "Measurement"}'), "is not the summary of"),
        (lambda folder: (folder / "audit.json").write_text('{"kind": "Audit", "schema_version": 9}'), "version 9"),
        (lambda folder: (folder / "novel.csv").unlink(), "novel.csv"),
        (lambda folder: (folder / "leaks.csv").write_text("rank\n1\n"), "is broken"),
    ],
)
def test_a_folder_that_is_no_whole_audit_is_refused_in_one_line(found, tmp_path, change, says):
    folder = found.to_csv(tmp_path / "tables")
    change(folder)
    with pytest.raises(AuditError, match=says) as caught:
        Audit.load(folder)
    assert "\n" not in str(caught.value)


def test_numbers_are_plain(found):
    told = json.loads(json.dumps(found.to_dict()))
    assert told["leaks"]["suspected"] == found.leaks.suspected
    assert told["blind_spots"]["mistakes"] == len(found.blind_spots)


def test_a_network_too_narrow_for_leaks_is_audited_without(planted):
    network = hl.train("mlp", planted[0], width=8, epochs=3).network
    found = audit(network, *planted)
    assert found.leaks.score is None
    assert found.leaks.suspected == 0
    assert found.notes[0].startswith("near-duplicates were not searched by code, because no layer can be used")
    assert "hidden.0.relu: a quarter of the rows or more share their code" in found.notes[0]
    assert "note: near-duplicates were not searched" in str(found)
    assert "Near-duplicates could not be searched" in found.findings
    assert "suspected as leaked" not in found.headline
    assert "no search for near-duplicates was possible" in found.headline


def test_terminal_and_page_begin_with_one_headline_and_say_what_to_expect(found):
    page = audit_page(found)
    printed = " ".join(str(found).split())
    assert page.verdict == found.headline == str(found.accuracy)
    assert found.headline in printed
    assert found.findings in printed
    assert page.reason.startswith(found.findings)
    novel = found.novel
    about = f"about {novel.expected:.0f} expected if all examples are of known kinds"
    assert 0 < novel.expected <= 18
    assert f"{novel.novel} of 360 test examples are novel ({about})" in found.findings
    assert f"{novel.novel} of 360 examples novel; {about}" in printed


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "says"),
    [
        ("same", "same examples"),
        ("swapped", "swapped"),
        ("unlabelled", "labels"),
        ("features", "one row of scores"),
    ],
)
def test_what_cannot_be_audited_is_one_line(network, planted, case, says):
    train, test = planted
    model = network
    if case == "same":
        test = train
    elif case == "swapped":
        train, test = "digits#test", "digits#train"
    elif case == "unlabelled":
        test = test[0]
    else:
        model = torch.nn.Sequential(network.features)
    with pytest.raises(HashlensError, match=says) as caught:
        audit(model, train, test)
    assert "\n" not in str(caught.value)


def test_exact_copies_of_a_table_stand_beside_the_rate_and_leave_the_headline_on_request(tmp_path):
    generator = np.random.default_rng(0)
    rows = generator.integers(9, size=(900, 4)).astype(np.float32)
    labels = (rows.sum(axis=1) > 16).astype(np.int64)
    data = (rows[:600], labels[:600]), (rows[600:], labels[600:])
    network = hl.train("mlp", data[0], recipe="figures", epochs=5, width=128, seed=0).network
    known = set(map(tuple, rows[:600].tolist()))
    copies = [at for at, row in enumerate(rows[600:].tolist()) if tuple(row) in known]
    counted = audit(network, *data)
    assert counted.leaks.copies.rows.tolist() == copies
    assert not set(copies) & set(counted.leaks.suspected_rows.tolist())
    assert f"{len(copies)} test examples equal a training example exactly (" in findings(counted)
    without = audit(network, *data, suspect_copies=True)
    assert set(copies) <= set(without.leaks.suspected_rows.tolist())
    assert f"{len(copies)} test examples equal a training example exactly" in findings(without)
    assert without.accuracy.steps[1].examples <= 300 - len(copies)
    assert without.command.endswith("suspect_copies=True)")
    loaded = Audit.load(counted.to_csv(tmp_path / "tables"))
    assert str(loaded.leaks.copies) == str(counted.leaks.copies)
    assert np.array_equal(loaded.leaks.suspected_rows, counted.leaks.suspected_rows)


class Headed(torch.nn.Module):
    def __init__(self, network, head):
        super().__init__()
        self.network, self.head = network, head

    def forward(self, x):
        return self.head(self.network(x))


@pytest.fixture(scope="module")
def small():
    train, test = hl.load_data("digits#train").load(), hl.load_data("digits#test").load()
    return hl.train("mlp", train, epochs=5, seed=0, width=64).network, train, test


@pytest.mark.slow
def test_an_audit_is_of_the_network_and_not_of_how_its_scores_are_written(small):
    network, train, test = small
    first = hl.audit(network, train, test)
    heads = {
        "softmax": (lambda z: z.softmax(1), "softmax is its last operator"),
        "half precision": (lambda z: z.double().softmax(1).half().float(), "softmax is its last operator"),
        "features beside": (lambda z: (z.relu(), z.softmax(1)), "softmax is its last operator"),
    }
    for head, why in heads.values():
        found = hl.audit(Headed(network, head), train, test)
        assert found.accuracy.steps[0].accuracy == first.accuracy.steps[0].accuracy
        confidences = [issues.confidence[np.argsort(issues.rows)] for issues in
                       (first.label_issues.test, found.label_issues.test)]  # fmt: skip
        assert confidences[1] == pytest.approx(confidences[0], abs=2e-3)
        assert found.provenance.test.output == f"probabilities ({why})"
        assert f"Output read as probabilities ({why})." in " ".join(str(found).split())


def test_labels_that_are_not_the_outputs_are_no_accuracy_of_nothing(small):
    network, train, test = small
    moved = [replace(part, labels=part.labels + 100, class_names=None) for part in (train, test)]
    with pytest.raises(AuditError, match="labels of train go up to 109, but the network's output has 10 classes"):
        hl.audit(network, *moved)
    wider = Headed(network, lambda z: torch.nn.functional.pad(z, (0, 5), value=-50.0))
    assert any("has 15 classes, and the labels of train have 10" in note for note in hl.audit(wider, train, test).notes)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("head", "output", "what"),
    [
        (
            torch.sigmoid,
            None,
            r"multilabel_probabilities \(sigmoid is its last operator\), classes of which an",
        ),
        (lambda z: z, "regression", r"regression \(as declared\), values"),
    ],
)
def test_what_names_no_classes_that_exclude_each_other_is_told_in_one_line(small, head, output, what):
    network, train, test = small
    with pytest.raises(AuditError, match=what) as caught:
        hl.audit(Headed(network, head), train, test, output=output)
    assert "\n" not in str(caught.value)
    assert hl.audit(Headed(network, torch.sigmoid), train, test, output="logits").accuracy.steps[0].accuracy > 0.5


@pytest.mark.slow
def test_labels_that_are_not_the_outputs_stand_in_the_headline(small):
    network, train, test = small
    inputs, labels = test.tensor(), test.labels
    other = hl.audit(network, (train.tensor(), (train.labels + 3) % 10), (inputs, (labels + 3) % 10))
    assert "in another order than the outputs" in other.headline
    own = hl.audit(network, train, test)
    assert own.accuracy.doubt == ""
    assert f"the accuracy of the network is {own.accuracy.reported.accuracy:.2%}" in other.headline
    bright = [(part > part.mean()).long().flatten(1).float().mean(1) > 0.5 for part in (train.tensor(), inputs)]
    of_two = hl.audit(network, (train.tensor(), bright[0].long()), (inputs, bright[1].long()))
    assert "the output has 10 classes while the labels have 2)" in of_two.headline


def test_few_examples_are_told_without_an_argument_that_an_audit_has_not(small):
    network, train, test = small
    for few in (train.narrow(0, 20), train.narrow(0, 1)):
        with pytest.raises(AuditError, match=rf"give more than 20 labelled training examples, received {len(few)}$"):
            hl.audit(network, few, test.narrow(0, 30))
    (note,) = [note for note in hl.audit(network, train, test.narrow(0, 1)).notes if "not searched" in note]
    assert note == "leaks were not searched: a single test example may be suspected by chance alone"


def test_a_network_of_one_class_is_no_classifier(tmp_path):
    inputs = torch.rand(30, 4, generator=torch.Generator().manual_seed(0))
    hl.train("mlp", (inputs, [0] * 30), epochs=0, width=3, out=tmp_path / "net")
    network = load_model(str(tmp_path / "net"))
    with pytest.raises(AuditError, match="has fewer than two classes: audit a classifier"):
        hl.audit(network, (inputs, [0] * 30), (inputs[:9] + 1, [0] * 9))
