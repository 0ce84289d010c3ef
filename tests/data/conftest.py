import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image


def png(pixels: np.ndarray) -> bytes:
    """Return uint8 (h, w) or (h, w, 3) pixels as the content of a PNG file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def images() -> np.ndarray:
    """uint8 (11, 4, 5, 3)."""
    return np.random.default_rng(7).integers(256, size=(11, 4, 5, 3), dtype=np.uint8)


@pytest.fixture
def encode_png() -> Callable[[np.ndarray], bytes]:
    return png


@pytest.fixture
def write_parquet() -> Callable[..., Path]:
    """Write a file in the Hub's layout: images as arrays or bytes, labels as a list or None."""

    def write(
        path: Path,
        images: Sequence[Any],
        labels: Sequence[Any] | None = None,
        *,
        column: str = "image",
        label_column: str = "label",
        class_names: Sequence[str] | None = None,
        struct: bool = True,
    ) -> Path:
        content = [image if isinstance(image, bytes | None) else png(image) for image in images]
        columns: dict[str, Any] = {
            column: pa.array(
                [{"bytes": each, "path": None} for each in content] if struct else content,
                pa.struct([("bytes", pa.binary()), ("path", pa.string())]) if struct else pa.binary(),
            )
        }
        if labels is not None:
            columns[label_column] = pa.array(labels)
        table = pa.table(columns)
        if class_names:
            features = {label_column: {"names": list(class_names), "_type": "ClassLabel"}}
            table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, path, row_group_size=3)
        return path

    return write


@pytest.fixture
def write_folder() -> Callable[..., Path]:
    """Write images as PNG files, each in the sub-folder that its class names; None is the folder itself."""

    def write(root: Path, images: Sequence[np.ndarray], classes: Sequence[str | None]) -> Path:
        for number, (image, name) in enumerate(zip(images, classes, strict=True)):
            folder = root / name if name else root
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{number:03}.png").write_bytes(png(image))
        return root

    return write
