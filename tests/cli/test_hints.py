"""Errors name options on the command line and arguments in Python."""

import pytest
import typer

import hashlens as hl
from hashlens.cli.app import app, run
from hashlens.cli.hints import as_options, options_of
from hashlens.files import check_writable

HINTS = {
    "a flag": ("train", "exists already: give overwrite=True", "exists already: give --force"),
    "a flag and its opposite": ("audit", "or suspect_copies=False", "or --keep-copies"),
    "a value": ("explain", "for a regression give output='regression'", "for a regression give --output regression"),
    "a name": ("explain", "give background=, (m, ...)", "give --background, (m, ...)"),
    "no option": ("explain", "name one with layer=, and give reshape= too",
                  "name one with --layer, and give reshape= (in Python) too"),
    "a glob": ("measure", "leave it out with layers='!relu*'", "leave it out with --layers '!relu*'"),
    "globs": ("measure", "leave it out with layers=['!a']", "leave it out with --layers '!a'"),
    "a level": ("study chart", "give where={'samples': 48000} or another", "give --where samples=48000 or another"),
    "a truth": ("study chart", "give where={'batch_norm': True} or another", "give --where batch_norm=true or another"),
    "a name of FAISS": ("index search", "takes no nprobe=: give efSearch=", "takes no --nprobe: give --efSearch"),
    "another name": ("index search", "give weights= too", "give --weight too"),
    "a function": ("measure", "or give forward=fn(model, batch)", "or give --forward"),
    "no option for it": ("explain", "give tokenizer=fn too", "give tokenizer=fn (in Python) too"),
    "a number": ("audit", "k=5 neighbours are more than the 3 rows", "k=5 neighbours are more than the 3 rows"),
    "text": ("measure", "no file 'runs/ layers=3' or a/layers=3", "no file 'runs/ layers=3' or a/layers=3"),
}  # fmt: skip


@pytest.mark.parametrize("name", HINTS)
def test_arguments_become_the_options_of_the_command(name):
    command, python, line = HINTS[name]
    assert as_options(python, options_of(typer.main.get_command(app), command.split())) == line


def test_each_side_is_told_what_it_can_give(tmp_path, capsys):
    there = tmp_path / "there.html"
    there.write_text("mine")
    with pytest.raises(hl.errors.OutputError, match=r"or give overwrite=True$"):
        check_writable(there, overwrite=False)
    line = ["report", str(tmp_path), "-o", str(there)]
    assert run(line) == 2
    assert "or give --force" in capsys.readouterr().err
