"""Pictures of a generative model: samples, reconstructions, and interpolations with a slider."""

import base64
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt

from hashlens.arguments import require_whole
from hashlens.data.sources import load_data
from hashlens.errors import ModelError
from hashlens.generative.grid import as_bytes, tiled
from hashlens.generative.images import image_batches
from hashlens.generative.model import GenerativeModel
from hashlens.report.figures import Figure, Pixels
from hashlens.report.page import Block, Chart, Page, Section, Widget
from hashlens.result import Result
from hashlens.seeds import torch_generator
from hashlens.tables import Table, table

Bytes = npt.NDArray[np.uint8]
COLUMNS, PAIRS, WAYS, STEPS = 10, 20, 6, 17
"""Numbers of images in a row, of originals with reconstructions, of interpolations, and of steps of each."""
TEMPLATE = """<p><label for="way-{{ number }}">from one image to the other</label>
<input id="way-{{ number }}" type="range" min="0" value="0" style="width:20em"> <output></output></p>
<canvas role="img" aria-label="{{ title }}" style="image-rendering:pixelated;max-width:100%"></canvas>"""


@dataclass(frozen=True, eq=False)
class GeneratedPictures(Result):
    """Pictures of a generative model; pixels are from 0 to 255.

    Attributes
    ----------
    model : str
        Kind of model.
    collapsed : bool
        Whether samples were nearly equal at the end of the training.
    samples : numpy.ndarray
        uint8 ``(n, h, w)`` or ``(n, h, w, 3)``: samples.
    originals, reconstructions : numpy.ndarray
        uint8: images and their reconstructions; empty without an encoder or images.
    ways : numpy.ndarray
        uint8 ``(ways, steps, h, w)`` or ``(ways, steps, h, w, 3)``: interpolations between originals, or between
        random codes.
    """

    model: str
    collapsed: bool
    samples: Bytes
    originals: Bytes
    reconstructions: Bytes
    ways: Bytes

    def __rich__(self) -> Table:
        rows = [("samples", f"{len(self.samples):,}"), ("reconstructions", f"{len(self.reconstructions):,}"),
                ("ways between images", f"{len(self.ways):,} of {self.ways.shape[1]} steps")]  # fmt: skip
        return table(f"Pictures of a {self.model}" + (", COLLAPSED" if self.collapsed else ""), ("", ""), rows)

    def figures(self) -> tuple[Figure, ...]:
        """Return one figure each of samples, of originals above their reconstructions, and of interpolations."""
        found = [_picture("Samples", "drawn from the prior", self.samples, COLUMNS)]
        if len(self.originals):
            rows = [part[at : at + COLUMNS] for at in range(0, len(self.originals), COLUMNS)
                    for part in (self.originals, self.reconstructions)]  # fmt: skip
            title = "Reconstructions"
            found.append(_picture(title, "each row of images above its reconstructions", np.concatenate(rows), COLUMNS))
        ways = self.ways.reshape(-1, *self.ways.shape[2:])
        found.append(_picture("Ways between images", "from left to right", ways, self.ways.shape[1]))
        return tuple(found)

    def page(self) -> Page:
        """Return the page."""
        verdict = "its samples have collapsed: nothing here is a result" if self.collapsed else ""
        return Page(f"Pictures of a {self.model}", "", verdict, "", self.sections())

    def sections(self) -> tuple[Section, ...]:
        """Return the pictures as parts of a page."""
        samples, *reconstructed, _ = self.figures()
        return (
            Section("Samples", (Chart(samples),)),
            Section("Reconstructions", tuple(map(Chart, reconstructed))),
            Section("Interpolation", _scrubbed(self.ways)),
        )


def _picture(title: str, name: str, images: Bytes, columns: int) -> Pixels:
    return Pixels(title, (name,), (tiled(images, columns).astype(np.float64) / 255,))


def _scrubbed(ways: Bytes) -> tuple[Block, ...]:
    """Return the ways, of which a slider shows one step of each."""
    coloured = ways if ways.ndim == 5 else np.repeat(ways[..., None], 3, axis=4)
    count, steps, height, width = coloured.shape[:4]
    data: dict[str, Any] = {
        "ways": count, "steps": steps, "height": height, "width": width,
        "pixels": base64.b64encode(np.ascontiguousarray(coloured).tobytes()).decode(),
    }  # fmt: skip
    script = files("hashlens.generative").joinpath("ways.js").read_text(encoding="utf-8")
    return (Widget("From one image to another", TEMPLATE, script, data),)


def pictures(model: GenerativeModel, data: Any = None, *, n: int = 100, seed: int = 0) -> GeneratedPictures:
    """Return pictures of a model.

    Parameters
    ----------
    model : GenerativeModel
        The trained model.
    data : str, Examples or array, optional
        Images; the first ones are reconstructed if the model has an encoder.
    n : int
        Number of samples.
    seed : int
        Seed of the codes.

    Raises
    ------
    ModelError
        If the model has no networks.
    DataError
        If the images have another size than those of the model.
    """
    require_whole(ModelError, "n", n)
    shape, samples = model.image_shape, model.sample(n, seed=seed)
    images = reconstructed = samples[:0]
    if data is not None and "encoder" in model.roles:
        images = next(image_batches(load_data(data).narrow(0, PAIRS), shape, PAIRS))
        reconstructed = model.reconstruct(images)
    if len(images) >= 2 * WAYS:
        ways = model.interpolate(images[:WAYS], images[WAYS : 2 * WAYS], STEPS)
    else:
        codes = model.settings.draw(2 * WAYS, torch_generator(seed, "ways"))
        ways = model.interpolate(codes[:WAYS], codes[WAYS:], STEPS)
    return GeneratedPictures(
        model.kind, bool(model.info and model.info.collapsed), as_bytes(samples), as_bytes(images),
        as_bytes(reconstructed), as_bytes(ways),
    )  # fmt: skip
