"""The page of a trained network: its architecture, training and accuracies."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hashlens.nets.folder import INFO_FILE, NetworkInfo, read_info
from hashlens.report.figures import Lines, Series
from hashlens.report.page import Chart, Page, Section
from hashlens.tables import Table, number, table
from hashlens.training.checkpoints import CHECKPOINTS
from hashlens.training.losses import LOSSES, Loss


def network_page(info: NetworkInfo, checkpoints: tuple[NetworkInfo, ...] = ()) -> Page:
    """Return the page of a network.

    Parameters
    ----------
    info : NetworkInfo
        Information about the network.
    checkpoints : tuple of NetworkInfo
        Information about its checkpoints, in order of epochs.
    """
    data = info.data or {}
    shape = " x ".join(map(str, info.input_shape))
    size = f"{data['n']:,} examples of " if isinstance(data.get("n"), int) else ""
    rows = {
        "architecture": info.architecture, **{as_words(name): value for name, value in info.arguments.items()},
        "input": shape, "classes": info.classes, "class names": ", ".join(info.class_names or ()), "seed": info.seed,
        "digest of the weights": info.parameters,
    }  # fmt: skip
    names = {"name": "data", "digest": "digest of the data", "n": "examples"}
    origin = {**{names.get(name, as_words(name)): value for name, value in data.items()}, **info.versions}
    accuracy = info.metrics.get("test_accuracy")
    title = info.architecture or "Network"
    return Page(
        f"{title}, trained for {info.epochs:,} epochs" if info.epochs else f"{title}, untrained",
        f"on {size}{data.get('name', 'unknown data')}",
        "" if accuracy is None else f"Test accuracy {accuracy:.2%}",
        "",
        (
            Section("Accuracy and loss", (_metrics(info), *_history(info, checkpoints))),
            Section("Architecture", (_field_table("Network", rows),)),
            Section("Training", (_field_table("Recipe", _with_words(info.recipe or {})),) if info.recipe else ()),
            Section("Origin", (_field_table("Data and versions", origin),)),
        ),
    )


def checkpoints_of(folder: Path) -> tuple[NetworkInfo, ...]:
    """Return the information about the checkpoints in the folder of a network, in order of epochs."""
    infos = [read_info(file.parent) for file in sorted((folder / CHECKPOINTS).glob(f"*/{INFO_FILE}"))]
    return tuple(sorted(infos, key=lambda info: info.epochs))


def as_words(name: str) -> str:
    """Return the name of a field with spaces in place of underscores."""
    return name.replace("_", " ")


def _metrics(info: NetworkInfo) -> Table:
    unit = f" ({_loss(info).unit})"
    rows = [(as_words(name) + (unit if "loss" in name else ""), number(value)) for name, value in info.metrics.items()]
    return table("After training", ("", ""), rows or [("no numbers were recorded", "")])


def _history(info: NetworkInfo, checkpoints: tuple[NetworkInfo, ...]) -> tuple[Chart, ...]:
    """Return a figure of the training loss at the checkpoints and at the end; empty for fewer than two points."""
    losses = {
        entry.epochs: entry.metrics["train_loss"] for entry in (*checkpoints, info) if "train_loss" in entry.metrics
    }
    if len(losses) < 2:
        return ()
    x, y = zip(*sorted(losses.items()), strict=True)
    series = Series("training loss", tuple(map(float, x)), y)
    return (Chart(Lines("Training loss at each checkpoint", "epochs", _loss(info).title, (series,))),)


def _loss(info: NetworkInfo) -> Loss:
    return LOSSES.get((info.recipe or {}).get("loss", ""), LOSSES["cross-entropy"])


def _with_words(values: Mapping[str, Any]) -> dict[str, Any]:
    return {as_words(name): value for name, value in values.items()}


def _field_table(title: str, rows: Mapping[str, Any]) -> Table:
    shown_rows = [(name, str(value)) for name, value in rows.items() if value not in (None, "", {}, ())]
    return table(title, ("", ""), shown_rows, names=2)
