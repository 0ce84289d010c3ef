"""``hashlens report`` on everything that commands write."""

import json
import re

import pytest

import hashlens as hl
from hashlens.cli.app import run
from hashlens.study.study import Study

SPEC = """\
name: small
data: {train: "digits[:200]", test: "digits[200:300]"}
axes: {width: [3, 6], epochs: [0, 1]}
training: {epochs: 1}
repeats: 2
measures: [redundancy_ratio, knn, network_accuracy]
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder with one of everything."""
    folder = tmp_path_factory.mktemp("saved")
    train, test = "digits#train", "digits#test"
    network = hl.train("mlp", hl.load_data(train), epochs=2, seed=0, width=12, out=folder / "network",
                       checkpoints=(1,)).network  # fmt: skip
    codes = hl.encode(network, test, out=folder / "codes")
    hl.Index(codes).save(folder / "index")
    hl.audit(network, train, test).to_csv(folder / "audit")
    for name, result in (("measurement", hl.measure(network, train, test)), ("audit", hl.audit(network, train, test))):
        (folder / f"{name}.json").write_text(json.dumps(result.to_dict()))
    (folder / "study.yaml").write_text(SPEC)
    study = Study.load(folder / "study.yaml").run()
    (folder / "results.json").write_text(json.dumps(study.results.to_dict()))
    (folder / "chart.json").write_text(json.dumps(hl.phase_chart(study.results).to_dict()))
    return folder


def page(arguments, out):
    assert run(["report", *map(str, arguments), "-o", str(out)]) == 0
    text = out.read_text(encoding="utf-8")
    return re.search(r"<h1>(.*?)</h1>", text)[1], text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "title", "said", "thumbnails"),
    [
        ("network", "mlp, trained for 2 epochs", "Training loss at each checkpoint", False),
        ("codes", "MLP: 360 codes of 12 bits", "Principal components of 360 codes", True),
        ("index", "An index of 360 codes", "compares every row", False),
        ("audit", "Audit of the test accuracy of MLP", "digits#test", True),
        ("measurement.json", "Neural code of MLP", "expressive", True),
        ("audit/audit.json", "Audit of the test accuracy of MLP", "digits#test", True),
        ("study.yaml", "small", "Progress", False),
        ("study.db", "small", "Progress", False),
        (".", "small", "Progress", False),
        ("results.json", "small", "4 networks", False),
        ("chart.json", "", "under-expressive", False),
        ("audit.json", "Audit of the test accuracy of MLP", "digits#test", True),
    ],
)
def test_what_was_saved_has_its_page(saved, tmp_path, name, title, said, thumbnails):
    found, text = page([saved / name], tmp_path / "page.html")
    assert found == title or not title
    assert said in text
    assert ("background-image: url(" in text) == thumbnails


@pytest.mark.parametrize("name", ["codes", "audit", "measurement.json"])
def test_images_can_be_left_out(saved, tmp_path, name):
    assert "background-image: url(" not in page([saved / name, "--no-images"], tmp_path / "page.html")[1]


@pytest.mark.parametrize("source", ["npz:gone.npz", "digits"])
def test_data_that_are_gone_or_others_are_told(saved, tmp_path, source):
    told = json.loads((saved / "measurement.json").read_text())
    told["provenance"]["test"]["data"] = source
    (tmp_path / "a.json").write_text(json.dumps(told))
    _, text = page([tmp_path / "a.json"], tmp_path / "page.html")
    assert "There are no images, because the data are no longer available: " in text
    assert "background-image: url(" not in text


def test_a_plane_that_was_saved_can_be_pointed_at(saved, tmp_path):
    out = tmp_path / "plane.json"
    arguments = ["regions", "plane", str(saved / "network"), "--data", "digits", "--through", "3", "8", "15"]
    assert run([*arguments, "--sampled", "20", "--json", str(out)]) == 0
    title, text = page([out], tmp_path / "page.html")
    told = json.loads(out.read_text())
    assert title == f"{told['count']:,} linear regions ({told['sampled']:,} found by sampling)"
    parts = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text)[1])["parts"]
    notes = parts[0]["widget"]["notes"]
    assert [note.split()[1] for note in notes] == [region["code"] for region in told["regions"]]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere", r"nowhere is not there: give a result's JSON \(--json of most commands\), the folder of an audit"),
        ("network/model.safetensors", "model.safetensors has no report: give a result's JSON"),
        ("empty", r"has no report: .*, or a network \(`hashlens train`\)$"),
        ("page.html", "page.html is a page already: open it in a browser$"),
    ],
)
def test_anything_else_is_told_in_one_line(saved, tmp_path, capsys, name, message):
    (saved / "page.html").write_text("<html>")
    (saved / "empty").mkdir(exist_ok=True)
    assert run(["report", str(saved / name), "-o", str(tmp_path / "page.html")]) == 2
    told = capsys.readouterr().err
    assert re.search(message, told.rstrip("\n"))
    assert told.count("\n") == 1
    assert not (tmp_path / "page.html").exists()


def test_a_page_that_is_there_is_kept_unless_forced(saved, tmp_path, capsys):
    out = tmp_path / "page.html"
    out.write_text("mine")
    assert run(["report", str(saved / "network"), "-o", str(out)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert out.read_text() == "mine"
    assert run(["report", str(saved / "network"), "-o", str(out), "--force"]) == 0
