"""What there is to reproduce, as a table."""

from hashlens.data.digits import TRAIN_ROWS
from hashlens.study.cells import cells
from hashlens.study.reproduce.preset import SIZES, find_preset, preset_names
from hashlens.tables import Table, number, table


def preset_table() -> Table:
    """Return every preset: its data, and how many networks each size trains."""
    rows = []
    for name in preset_names():
        preset = find_preset(name)
        whole = preset.expects.train if preset.expects else TRAIN_ROWS
        specs = (preset.spec(name, size) for size in SIZES)
        networks = (number(len(cells(spec, whole)) * spec.repeats) for spec in specs)
        rows.append((name, *networks, f"--data DIR of {preset.expects.name}" if preset.expects else "none needed"))
    return table("What there is to reproduce, and networks trained", ("name", *SIZES, "data"), rows)
