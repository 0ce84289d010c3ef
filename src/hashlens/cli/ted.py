"""``hashlens ted``: fit a model that predicts labels and reasons for the rows of a table."""

from pathlib import Path
from typing import Annotated

import typer

from hashlens.cli.options import (
    Debug,
    Force,
    Json,
    Seed,
    Threads,
    check_outputs,
    set_threads,
    show_result,
    tell,
)

ted = typer.Typer(no_args_is_help=True, help="Learn reasons together with labels, and predict both.")
Html = Annotated[Path | None, typer.Option(help="Write an HTML page with the rows to check to this file.")]


@ted.command()
def fit(
    table: Annotated[Path, typer.Argument(help="A .csv or .parquet file, one row per example.")],
    label: Annotated[str, typer.Option(help="The column of labels.")],
    explanation: Annotated[str, typer.Option(help="The column of explanations; an empty cell is a missing one.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the model. It includes the rows of the table.")],
    estimator: Annotated[
        str, typer.Option(help="random-forest, boosting, decision-tree, or logistic-regression.")
    ] = "random-forest",
    missing: Annotated[str, typer.Option(help="Rows without an explanation: impute, drop, or unknown.")] = "impute",
    marker: Annotated[
        str | None, typer.Option(help="Value that marks a missing explanation, besides an empty cell.")
    ] = None,
    leave_out: Annotated[list[str] | None, typer.Option(help="Column to leave out; repeat for more.")] = None,
    test: Annotated[float, typer.Option(help="Share of the rows that are held out for the score.")] = 0.2,
    html: Html = None,
    seed: Seed = 0,
    threads: Threads = None,
    force: Force = False,
    json: Json = None,
    debug: Debug = False,
) -> None:
    """Fit on one part of a table and score on the rest. Then fit a model on all rows, and save it."""
    from hashlens.ted.saved import Plan, fit_table, held_out_score
    from hashlens.ted.tables import read_table

    set_threads(threads)
    check_outputs(out, json=json, page=html, force=force, inputs=[table])
    rows = read_table(table)
    plan = Plan(label, explanation, estimator, missing, marker, tuple(leave_out or ()), seed)
    score = held_out_score(rows, plan, test)
    fit_table(rows, plan).save(out, overwrite=force)
    show_result(score, json, html, force)
    tell(f"next: hashlens ted predict {out} TABLE --out FILE.csv")


@ted.command()
def predict(
    model: Annotated[Path, typer.Argument(help="A model, written by `hashlens ted fit`.")],
    table: Annotated[Path, typer.Argument(help="A .csv or .parquet file with the same columns.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="File for the rows with predictions: .csv or .parquet.")],
    html: Html = None,
    sure: Annotated[
        float, typer.Option(help="Lowest probability of label and explanation together at which a row counts as sure.")
    ] = 0.8,
    threads: Threads = None,
    force: Force = False,
    json: Json = None,
    debug: Debug = False,
) -> None:
    """Predict label and explanation of every row, with their probabilities."""
    from hashlens.ted.saved import load_model_of_table
    from hashlens.ted.tables import check_table_name, read_table, write_table

    set_threads(threads)
    check_outputs(out, json=json, page=html, force=force, inputs=[table, model])
    check_table_name(out)
    predicted, result = load_model_of_table(model).predict(read_table(table), sure)
    write_table(out, predicted, overwrite=force)
    show_result(result, json, html, force)
    tell(f"label, explanation and probabilities of every row: {out}")
