"""``hashlens report``: write an HTML page of any saved result."""

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from hashlens.cli.options import Debug, Force, check_outputs, console


def report(
    path: Annotated[
        str,
        typer.Argument(
            help="A result's JSON; an explanation; the folder of an audit, codes, an index, a network or a "
            "reproduction; a study's YAML or store."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="HTML page to write.")] = Path("report.html"),
    images: Annotated[bool, typer.Option("--images/--no-images", help="Load the data again, for thumbnails.")] = True,
    show: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    force: Force = False,
    debug: Debug = False,
) -> None:
    """Write an HTML page of a saved result, as one file without external resources."""
    from hashlens.report.page import write_page
    from hashlens.saved.report import report_page

    check_outputs(page=out, force=force, inputs=[path])
    page = report_page(path, images)
    write_page(page, out, overwrite=force)
    console().print(f"{page.title}: {out}", soft_wrap=True)
    if show:
        webbrowser.open(out.resolve().as_uri())
