"""The whole audit, on digits in which something was planted."""

import csv
import json
import re

import numpy as np
import pytest
import torch

import hashlens as hl
from hashlens.audit.audit import audit
from hashlens.errors import HashlensError

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


def test_the_accuracy_is_the_networks_own_and_corrected_upwards_for_wrong_labels(found, network, planted):
    inputs, labels = planted[1]
    with torch.no_grad():
        right = (network(inputs).argmax(dim=1).numpy() == labels).mean()
    assert found.accuracy.reported.accuracy == pytest.approx(right)
    assert found.accuracy.corrected.accuracy > right
    assert "Reported accuracy" in str(found)


def test_every_table_is_written_with_the_ids(found, tmp_path):
    folder = found.to_csv(tmp_path / "tables")
    assert sorted(file.name for file in folder.iterdir()) == [
        "blind-spots.csv", "label-issues-test.csv", "label-issues-train.csv", "leaks.csv", "novel.csv",
    ]  # fmt: skip
    lines = list(csv.DictReader((folder / "leaks.csv").read_text().splitlines()))
    assert len(lines) == len(found.leaks)
    assert [int(line["id"]) for line in lines] == found.leaks.ids.tolist()


def test_the_page_fetches_nothing_and_shows_images(found, tmp_path):
    text = found.to_html(tmp_path / "audit.html").read_text()
    assert not re.search(r"(src|href)=[\"']?https?:", text)
    assert text.count("data:image/png;base64,") >= 2
    assert str(found.accuracy).split(";")[0] in text


def test_numbers_are_plain(found):
    told = json.loads(json.dumps(found.to_dict()))
    assert told["leaks"]["suspected"] == found.leaks.suspected
    assert told["blind_spots"]["mistakes"] == len(found.blind_spots)


def test_a_network_too_narrow_for_leaks_is_audited_without(planted):
    network = hl.train("mlp", planted[0], width=8, epochs=3).network
    found = audit(network, *planted)
    assert found.leaks is None
    assert "no leaks were looked for" in found.notes[0]
    assert "leaks" not in found.parts
    assert "note: no leaks" in str(found)


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
