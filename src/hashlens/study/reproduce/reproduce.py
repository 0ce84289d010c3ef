"""Reproduce: the paper's studies done again, by name."""

import shlex
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from hashlens.data.examples import Examples
from hashlens.data.sources import load_data
from hashlens.device import find_device
from hashlens.errors import DataError, HashlensError, OutputError
from hashlens.files import as_path, check_writable, written_whole
from hashlens.machine import machine
from hashlens.result import Split
from hashlens.study.claims.read import decided
from hashlens.study.reproduce.comparison import compare
from hashlens.study.reproduce.picture import picture
from hashlens.study.reproduce.preset import Preset, Size, find_preset, require_size
from hashlens.study.reproduce.reproduction import Provenance, Reproduction
from hashlens.study.spec import StudySpec
from hashlens.study.store.schema import DONE, run_settings
from hashlens.study.store.store import Store
from hashlens.study.study import Study

SPEC, STORE, RESULTS = "study.yaml", "study.db", "results.parquet"
TABLE, PAGE = "table.md", "report.html"


def reproduce(
    name: str,
    data: str | Path | None = None,
    *,
    preset: str = "quick",
    out: str | Path | None = None,
    overwrite: bool = False,
    device: str | torch.device | None = None,
) -> Reproduction:
    """Do a study again, put its claims to the test, and set it beside the paper's figures where they are known.

    Interrupted at any moment and called again, it goes on where it was. The folder holds the spec (``study.yaml``) and
    the store (``study.db``), with which :class:`Study` opens it, and at the end ``results.parquet``, ``table.md``, the
    pictures as PNG and SVG, and ``report.html``, the page with all of it.

    Parameters
    ----------
    name : str
        ``mnist-width``, ``mnist-time``, ``mnist-samples``, ... (`hashlens reproduce --list`); or a YAML file with a
        ``study`` of any experiment, its ``claims`` and ``pictures``.
    data : str or Path, optional
        Folder with the Parquet files of MNIST or CIFAR-10, train and test; not for ``digits-...``.
    preset : {"quick", "paper"}
        Minutes, or the whole of it.
    out : str or Path, optional
        The folder; by default ``hashlens-reproduce/NAME-PRESET``, of a file its name without the ending.
    overwrite : bool
        Whether to begin afresh: in a folder that holds a reproduction of that name, which is deleted, or something else
        and no study. A study of another name, and what is no store or no spec, is never deleted.
    device : str or torch.device, optional
        Where networks are trained and read; the CPU by default.

    Raises
    ------
    StudyError
        If there is nothing of that name, or the folder holds a study of another spec.
    DataError
        If the data are missing, or are not those of the study.
    OutputError
        If the folder holds something else, or another study, or cannot be written.

    References
    ----------
    He, Lei, Ji, Tao (2021): Neural networks behave as hash encoders: an empirical study. arXiv 2101.05490.
    """
    started = time.monotonic()
    preset_, size = find_preset(name), require_size(preset)
    if device is not None:
        find_device(device)
    title = Path(name).stem
    spec = preset_.spec(title, size, None if data is None else str(data))
    examples = _open(title, preset_, spec, data)
    folder = _prepared(as_path(out or Path("hashlens-reproduce") / f"{title}-{size}"), title, overwrite)
    inputs = {} if examples is None else {"train": examples.train, "test": examples.test}
    study = Study(spec, folder / STORE, **inputs)
    done_before = _done_runs(study) if (folder / STORE).exists() else 0
    if not (folder / SPEC).exists():
        _write(folder / SPEC, spec.to_yaml())
    study.run(device=device)
    _write(folder / SPEC, spec.to_yaml())

    results = study.results
    sizes = {} if examples is None else _sizes(spec, examples)
    pictures = tuple(
        picture(file, panels, results, preset_.reference, sizes) for file, panels in preset_.pictures.items()
    )
    result = Reproduction(
        name=title,
        size=size,
        preset=preset_,
        study=study,
        comparisons=compare(results, preset_.reference) if preset_.reference else (),
        findings=tuple(decided(results, claim) for claim in preset_.claims),
        pictures=pictures,
        seconds=time.monotonic() - started,
        provenance=_provenance(study, _command(name, data, size, out, device), done_before),
        folder=folder,
    )
    _write_all(result)
    return result


def _sizes(spec: Any, examples: Split[Examples]) -> dict[str, int]:
    """Return on how many examples measures are taken, at least."""
    samples = getattr(spec.axes, "samples", None)
    return {"train": min(samples or (len(examples.train),)), "test": len(examples.test)}


def _open(name: str, preset: Preset, spec: Any, data: str | Path | None) -> Split[Examples] | None:
    """Return train and test, after making sure that they are what the preset is about; None for a study of no data."""
    expected_data = preset.expects
    if expected_data is None and data is not None:
        raise DataError(f"{name} takes no data, received {str(data)!r}: its examples come with the library")
    hint = ""
    if expected_data is not None:
        hint = (
            f"{name} needs --data DIR, a folder with the Parquet files of {expected_data.name}, such as "
            "train-00000-of-00001.parquet and test-00000-of-00001.parquet, read as parquet:DIR#train and "
            "parquet:DIR#test"
        )
        if data is None:
            raise DataError(hint)
    if getattr(spec, "data", None) is None:
        return None
    try:
        examples = Split(load_data(spec.data.train), load_data(spec.data.test))
        shape = tuple(next(examples.train.batches(1)).inputs.shape[1:])
    except DataError as error:
        raise DataError(f"{error}; {hint}" if hint else str(error)) from error
    if expected_data is None:
        return examples
    for split, part, expected in (
        ("train", examples.train, expected_data.train),
        ("test", examples.test, expected_data.test),
    ):
        if len(part) != expected or shape != expected_data.input_shape:
            raise DataError(
                f"{str(data)!r} is not {expected_data.name}: expected {expected:,} examples of shape "
                f"{expected_data.input_shape} in {part.name}, received {len(part):,} of shape {shape} on {split}; "
                f"{hint}"
            )
    return examples


def _prepared(folder: Path, name: str, overwrite: bool) -> Path:
    """Return the folder, there and writable; a reproduction in it is gone on with, or with `overwrite` begun afresh."""
    check_writable(folder / STORE, overwrite=True)
    foreign = sorted(entry.name for entry in folder.iterdir()) if not (folder / STORE).exists() else []
    if foreign and not overwrite:
        raise OutputError(
            f"{folder} holds {foreign[0]!r} but no reproduction: choose another folder with out=, or give "
            "overwrite=True"
        )
    if overwrite:
        own_files = [file for file in (STORE, SPEC) if _belongs_to(folder / file, name)]
        for file in (*own_files, *((f"{STORE}-wal", f"{STORE}-shm") if STORE in own_files else ())):
            with suppress(FileNotFoundError):
                (folder / file).unlink()
    return folder


def _belongs_to(path: Path, name: str) -> bool:
    """Return whether there is a store or spec of a reproduction of that name, to be begun afresh.

    Raises
    ------
    OutputError
        If something else is there, which is left alone.
    """
    if not path.exists():
        return False
    try:
        study_name = (
            Store.open(path, create=False).spec.get("name") if path.name == STORE else StudySpec.load(path).name
        )
        content = f"is of the study {study_name!r}"
    except HashlensError as error:
        study_name, content = None, f"is not a study ({error})"
    if study_name != name:
        raise OutputError(
            f"{path} {content} and no reproduction {name!r}, so it is not deleted: move it, or choose "
            "another folder with out="
        )
    return True


def _done_runs(study: Study) -> int:
    return study.status().done


def _command(
    name: str, data: str | Path | None, size: Size, out: str | Path | None, device: str | torch.device | None
) -> str:
    options: Mapping[str, Any] = {"--data": data, "--preset": size, "--out": out, "--device": device}
    words = [word for option, value in options.items() if value is not None for word in (option, str(value))]
    return shlex.join(["hashlens", "reproduce", name, *words])


def _provenance(study: Study, command: str, done_before: int) -> Provenance:
    stored, status = study.store.runs(), study.status()
    finished = [run for run in stored if run.state == DONE]
    return Provenance(
        command=command,
        seed=study.spec.seed,
        machine=machine(),
        settings=run_settings(finished),
        networks=status.done,
        trained_now=status.done - done_before,
        work_seconds=sum(float(run.facts.get("seconds") or 0.0) for run in finished),
        failures=tuple(f"{failure.cell} repeat {failure.repeat}: {failure.reason}" for failure in status.failures),
    )


def _write(path: Path, text: str) -> None:
    with written_whole(path, overwrite=True) as partial:
        partial.write_text(text, encoding="utf-8")


def _write_all(reproduction: Reproduction) -> None:
    from hashlens.report.plots import save
    from hashlens.study.reproduce.markdown import markdown_page

    reproduction.study.results.export(reproduction.folder / RESULTS, overwrite=True)
    for picture_ in reproduction.pictures:
        canvas = picture_.plot()
        for ending in ("png", "svg"):
            save(canvas, reproduction.folder / f"{picture_.name}.{ending}", overwrite=True)
    _write(reproduction.folder / TABLE, markdown_page(reproduction))
    reproduction.to_html(reproduction.folder / PAGE, overwrite=True)
