"""Stand-ins for torchvision's compiled part, where it does not load; spawned processes need them too."""

import importlib.util
from pathlib import Path

import torch

# torchvision's compiled part is built for one build of torch. Where it does not load, its Python part wants its names.
if (found := importlib.util.find_spec("torchvision")) is not None:
    try:
        torch.ops.load_library(next(Path(found.origin).parent.glob("_C*")))
    except (OSError, StopIteration):
        for name in ("nms", "qnms"):
            torch.library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
