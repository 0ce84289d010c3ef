"""Reproduction of the paper's studies, by name."""

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
from hashlens.files import as_path, atomic_write, check_writable
from hashlens.machine import machine
from hashlens.result import Split
from hashlens.study.claims.read import decide_or_explain
from hashlens.study.reproduce.bars import check_bar
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
    """Repeat a study, test its claims, and compare it with the paper's figures if they are known.

    The function can be interrupted at any moment; the next call continues where it stopped. The output folder contains
    the spec (``study.yaml``) and the store (``study.db``); :class:`Study` loads the study from them. The function
    finally writes ``results.parquet``, ``table.md``, the pictures as PNG and SVG, and ``report.html``, a page with all
    results.

    Parameters
    ----------
    name : str
        Name of a preset: ``mnist-width``, ``mnist-time``, ``mnist-samples``, ... (`hashlens reproduce --list`). Or the
        path of a YAML file with the same fields as a preset: a study of any experiment, its claims and pictures.
    data : str or Path, optional
        Folder with the Parquet files of the training and test examples of MNIST or CIFAR-10, or with other files that
        the study needs. The presets ``digits-...`` need none.
    preset : {"quick", "paper"}
        Size of the study: ``quick`` takes minutes, ``paper`` is the whole study.
    out : str or Path, optional
        Output folder; by default ``hashlens-reproduce/NAME-PRESET``. NAME is that of the preset, or the name of the
        YAML file without its suffix.
    overwrite : bool
        Whether to start again. A reproduction of the same name in the folder is deleted, and the folder may contain
        other files. A study of another name, and files that are not a store or a spec, are never deleted.
    device : str or torch.device, optional
        Device for training and for reading codes; the CPU by default.

    Raises
    ------
    StudyError
        If there is no preset of that name, or without `overwrite` the folder contains a study with another spec.
    DataError
        If the data are missing, or are not the data of the study.
    OutputError
        If the folder contains other files but no study, or with `overwrite` a study of another name, or cannot be
        written.
    DeviceError
        If the device is not available.

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
    examples = _load_examples(title, preset_, spec, data)
    folder = _prepare_folder(as_path(out or Path("hashlens-reproduce") / f"{title}-{size}"), spec, overwrite)
    inputs = {} if examples is None else {"train": examples.train, "test": examples.test}
    study = Study(spec, folder / STORE, **inputs)
    done_before = study.status().done if (folder / STORE).exists() else 0
    # The study can then be loaded while it runs. The spec of an earlier call is replaced only after the run: the run
    # raises StudyError if the store has another spec.
    if not (folder / SPEC).exists() and not (folder / STORE).exists():
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
        findings=tuple(decide_or_explain(results, claim) for claim in preset_.claims),
        bars=tuple(check_bar(results, bar) for bar in preset_.bars),
        pictures=pictures,
        seconds=time.monotonic() - started,
        provenance=_provenance(study, _command(name, data, size, out, device), done_before),
        folder=folder,
    )
    _write_all(result)
    return result


def _sizes(spec: Any, examples: Split[Examples]) -> dict[str, int]:
    """Return the smallest number of examples on which measures are computed, by split."""
    samples = getattr(spec.axes, "samples", None)
    return {"train": min(samples or (len(examples.train),)), "test": len(examples.test)}


def _load_examples(name: str, preset: Preset, spec: Any, data: str | Path | None) -> Split[Examples] | None:
    """Return the training and test examples, checked against the preset; None for a study without data."""
    expected_data = preset.expects
    if expected_data is None and data is not None and not preset.needs:
        raise DataError(f"{name} takes no data, received {str(data)!r}: leave it out")
    if preset.needs and data is None:
        raise DataError(f"{name} needs --data DIR, a folder with {preset.needs}")
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
        shapes = [tuple(next(part.batches(1)).inputs.shape[1:]) for part in (examples.train, examples.test)]
    except DataError as error:
        raise DataError(f"{error}; {hint}" if hint else str(error)) from error
    if expected_data is None:
        return examples
    for split, part, expected, shape in (
        ("train", examples.train, expected_data.train, shapes[0]),
        ("test", examples.test, expected_data.test, shapes[1]),
    ):
        if len(part) != expected or shape != expected_data.input_shape:
            raise DataError(
                f"{str(data)!r} is not {expected_data.name}: expected {expected:,} {split} examples of shape "
                f"{expected_data.input_shape}, received {len(part):,} of shape {shape} in {part.name}; {hint}"
            )
    return examples


def _prepare_folder(folder: Path, spec: Any, overwrite: bool) -> Path:
    """Create the folder and return it; a reproduction in it is kept, or with `overwrite` deleted."""
    # This also creates the folder.
    check_writable(folder / STORE, overwrite=True)
    foreign = sorted(entry.name for entry in folder.iterdir()) if not (folder / STORE).exists() else []
    # A call that was interrupted before the run created the store leaves the spec alone.
    interrupted = foreign == [SPEC] and _holds(folder / SPEC, spec.to_yaml())
    if foreign and not interrupted and not overwrite:
        raise OutputError(
            f"{folder} holds {foreign[0]!r} but no reproduction: choose another folder with out=, or give "
            "overwrite=True"
        )
    if overwrite:
        own_files = [file for file in (STORE, SPEC) if _belongs_to(folder / file, spec.name)]
        for file in (*own_files, *((f"{STORE}-wal", f"{STORE}-shm") if STORE in own_files else ())):
            with suppress(FileNotFoundError):
                (folder / file).unlink()
    return folder


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8", errors="replace") == text


def _belongs_to(path: Path, name: str) -> bool:
    """Return whether `path` is the store or spec of a reproduction of that name, which may be deleted.

    Raises
    ------
    OutputError
        If `path` is something else, which is kept.
    """
    if not path.exists():
        return False
    try:
        study_name = (
            Store.open(path, create=False).spec.get("name") if path.name == STORE else StudySpec.load(path).name
        )
        content = f"it is of the study {study_name!r}"
    except HashlensError as error:
        study_name, content = None, f"it is not a study: {error}"
    if study_name != name:
        raise OutputError(
            f"{path} belongs to no reproduction {name!r} ({content}), so it is not deleted: move it, or choose another "
            "folder with out="
        )
    return True


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
        work_seconds=sum(float(run.metadata.get("seconds") or 0.0) for run in finished),
        failures=tuple(f"{failure.cell} repeat {failure.repeat}: {failure.reason}" for failure in status.failures),
    )


def _write(path: Path, text: str) -> None:
    with atomic_write(path, overwrite=True) as partial:
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
