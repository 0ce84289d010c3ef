"""Every example runs as it is, and prints what it is about."""

import re
import runpy
import sys
from pathlib import Path

import pytest
import torch

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
SAYS = {
    "readme.py": ("Codes(360 rows of 40 bits", "redundancy ratio: 0.", "random hyperplanes"),
    "own_model.py": ("relu#1", "64 random bits", "the same bits: True", "codes.parquet"),
    "transformer_mask.py": ("without mask=: layer 'encoder.layers.0.relu'", "fingerprint in batches of 32 and of 7"),
    "monitor.py": ("step 135", "what hl.measure says of the same probe: the same"),
    "slice_in_training.py": ("epoch 0: 1,", "regions; a grid of 200 x 200 points finds"),
    "explain_images.py": ("contrast: turns after", "* the best method, and all within one standard error of it"),
    "explain_table.py": ("; rating and salary", "anchor: organization = 1 and rating = 3"),
    "explain_text.py": ("right on held-out texts: 0.9", "anchor: determine is present"),
    "gallery.py": ("measurement: 10.4 x 14.4 inches", "phase_chart: "),
    "search_codes.py": ("Codes(1,437 rows of 100 bits", "vote right", "from its nearest neighbour"),
}

LONG = ("explain_images.py", "explain_table.py", "gallery.py")


def test_all_examples_are_listed():
    assert sorted(SAYS) == sorted(file.name for file in EXAMPLES.glob("*.py"))


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name in LONG)) for name in SAYS])
def test_example_runs(name: str, tmp_path: Path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [name])
    with torch.random.fork_rng():  # an example is the user's own program, and may seed as it likes
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    out, err = capfd.readouterr()
    assert err == ""
    said = " ".join(out.split())  # a table's note is folded to its width
    for words in SAYS[name]:
        assert words in said
    assert list(tmp_path.iterdir()) == []  # nothing is left where it was run


def test_the_gallery_shows_every_picture_of_its_script_beside_its_code():
    page, script = (EXAMPLES.parent / "docs/gallery.md").read_text(), (EXAMPLES / "gallery.py").read_text()
    drawn = re.findall(r"(\w+)[,)]", "".join(re.findall(r"^OF_\w+ = (.*)$", script, re.MULTILINE)))
    code = r"```\{literalinclude\} \.\./examples/gallery\.py\n:pyobject: (\w+)\n"
    shown = re.findall(rf"\((images/[\w/-]+\.png)\)\n\n(?:{code})?", page)
    assert len(drawn) > 12
    assert {f"images/gallery/{name}.png": name for name in drawn} == {image: name for image, name in shown if name}
    assert [image for image, _ in shown if (EXAMPLES.parent / "docs" / image).stat().st_size > 150_000] == []
