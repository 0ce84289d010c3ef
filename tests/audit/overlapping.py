"""Overlapping classes whose posteriors are known, as ``benchmarks/bench_label_estimate.py`` draws them."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

_spec = spec_from_file_location(
    "bench_label_estimate", Path(__file__).parents[2] / "benchmarks" / "bench_label_estimate.py"
)
_bench = module_from_spec(_spec)
_spec.loader.exec_module(_bench)
RATES, TABLES = _bench.RATES, _bench.TABLES
gaussians, noisy, table_draw = _bench.gaussians, _bench.noisy, _bench.table_draw
half_sharper, smoothed, powered = _bench.half_sharper, _bench.smoothed, _bench.powered
swapped, nearest_swapped = _bench.swapped, _bench.nearest_swapped
