import json

import pytest

import hashlens as hl
from hashlens.cli import demo
from hashlens.cli.app import run


@pytest.mark.slow
def test_demo_tells_the_story(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(demo, "WIDTHS", (8, 64))
    monkeypatch.setattr(demo, "EPOCHS", 15)
    assert run(["demo", "--out", str(tmp_path / "demo")]) == 0
    assert (tmp_path / "demo/widths.png").read_bytes().startswith(b"\x89PNG")
    assert len(hl.Codes.load(tmp_path / "demo/codes")) == 360
    found = json.loads((tmp_path / "demo/measure.json").read_text())
    assert found["code_bits"] == 64
    assert "next: hashlens measure" in capsys.readouterr().out
    assert run(["demo", "--out", str(tmp_path / "demo")]) == 0, "a second run replaces the first"
