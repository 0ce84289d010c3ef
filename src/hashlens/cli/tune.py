"""``hashlens tune``: tune with a stopping rule, replay rules on recorded runs, and report overfitting."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hashlens.cli.options import (
    Debug,
    Force,
    Html,
    Json,
    Seed,
    Stopped,
    Threads,
    check_outputs,
    set_threads,
    show_result,
)

if TYPE_CHECKING:
    from hashlens.tuning import Trace

RULE = (
    "regret-bound, no-improvement:50, expected-improvement:1e-16, probability-of-improvement:1e-16, interquartile-range"
)
RuleNames = Annotated[list[str] | None, typer.Option("--rule", help=f"{RULE}. Repeat for more.")]
Traces = Annotated[
    str,
    typer.Argument(
        help="A CSV or Parquet file with one row per trial, a folder of recorded runs, or STORAGE#STUDY of Optuna."
    ),
]
Direction = Annotated[
    str | None, typer.Option(help="minimize if lower values are better (default), or maximize. A study has its own.")
]

tune = typer.Typer(
    no_args_is_help=True, help="Tune hyperparameters with a stopping rule; replay rules; report overfitting."
)


@tune.command()
def run(
    objective: Annotated[
        str,
        typer.Argument(help="package.module:function or file.py:function of an Optuna trial, which returns a number."),
    ],
    n_trials: Annotated[int, typer.Option(help="Largest number of trials.", min=1)] = 100,
    rule: Annotated[str, typer.Option(help=f"{RULE}.")] = "regret-bound",
    direction: Direction = None,
    storage: Annotated[str, typer.Option(help="A file for SQLite, or the URL of a database.")] = "tuning.db",
    name: Annotated[str | None, typer.Option(help="Name of the study. Default: the name of the function.")] = None,
    n_jobs: Annotated[int, typer.Option(help="Number of trials at once.", min=1)] = 1,
    html: Html = None,
    seed: Seed = 0,
    threads: Threads = None,
    force: Force = False,
    json: Json = None,
    debug: Debug = False,
) -> None:
    """Tune an objective until a rule stops it. If it is interrupted, run the same command again to continue."""
    from hashlens.nets.load import load_function
    from hashlens.tuning import tune as tune_objective
    from hashlens.tuning.named_rules import parse_rule

    set_threads(threads)
    check_outputs(json=json, page=html, force=force, inputs=[objective])
    stopping_rule = parse_rule(rule)
    try:
        with nullcontext() if debug else _failed_trials_not_logged():
            result = tune_objective(
                _NamedTrials(load_function(objective)), n_trials=n_trials, rule=stopping_rule, direction=direction,  # type: ignore[arg-type]
                storage=storage, name=name, n_jobs=n_jobs, seed=seed,
            )  # fmt: skip
    except KeyboardInterrupt as stopped:
        raise Stopped("stopped; run the same command again to continue") from stopped
    show_result(result, json, html, force)


@tune.command()
def replay(
    traces: Traces,
    rule: RuleNames = None,
    recorded: Annotated[bool, typer.Option(help="Use the bounds and improvements recorded in the file.")] = False,
    direction: Direction = None,
    html: Html = None,
    force: Force = False,
    json: Json = None,
    debug: Debug = False,
) -> None:
    """Show when rules would have stopped recorded runs, the trials that this saves, and the loss on test."""
    from hashlens.tuning import replay as replay_rules
    from hashlens.tuning.named_rules import parse_rule

    check_outputs(json=json, page=html, force=force, inputs=[traces])
    names = rule or ["regret-bound", "no-improvement:10", "no-improvement:50", "interquartile-range"]
    rules = [parse_rule(name, recorded) for name in names]
    show_result(replay_rules(_read(traces, direction), rules), json, html, force)


@tune.command()
def report(
    traces: Traces,
    first: Annotated[int, typer.Option(help="Number of trials after which choices count.", min=1)] = 1,
    direction: Direction = None,
    html: Html = None,
    force: Force = False,
    json: Json = None,
    debug: Debug = False,
) -> None:
    """Show overfitting of tuning: how often, and by how much, the final choice is worse on test than an earlier one."""
    from hashlens.tuning import overfitting_report

    check_outputs(json=json, page=html, force=force, inputs=[traces])
    show_result(overfitting_report(_read(traces, direction), first=first), json, html, force)


@contextmanager
def _failed_trials_not_logged() -> Iterator[None]:
    """Leave out Optuna's log of a failed trial, which has tracebacks: the command prints the error in one line."""
    import logging

    def is_other(record: logging.LogRecord) -> bool:
        return " failed with " not in record.getMessage()

    logger = logging.getLogger("optuna.study._optimize")
    logger.addFilter(is_other)
    try:
        yield
    finally:
        logger.removeFilter(is_other)


class _NamedTrials:
    """An objective whose errors name its trial, in one line."""

    def __init__(self, objective: Any) -> None:
        self._objective = objective

    def __getattr__(self, name: str) -> Any:
        return getattr(self._objective, name)

    def __call__(self, trial: Any) -> Any:
        from optuna import TrialPruned

        from hashlens.errors import HashlensError, TuningError

        try:
            return self._objective(trial)
        except (HashlensError, TrialPruned):
            raise
        except Exception as error:
            message = " ".join(str(error).split())
            raise TuningError(
                f"the objective failed in trial {trial.number}: {type(error).__name__}: {message[:300]}: mend it, and "
                "run the same command again to continue"
            ) from error


def _read(place: str, direction: str | None) -> "tuple[Trace, ...]":
    from hashlens.errors import TuningError
    from hashlens.tuning import load_study_trace, read_traces, recorded_runs

    storage, mark, name = place.rpartition("#")
    if not place or (mark and not Path(place).exists()):
        found: tuple[Trace, ...] = (load_study_trace(storage, name),)
    elif Path(place).is_dir():
        found = recorded_runs(place)
    else:
        return read_traces(place, direction or "minimize")  # type: ignore[arg-type]
    if direction not in (None, found[0].direction):
        raise TuningError(
            f"{place} is to {found[0].direction}, and --direction is {direction}: minimize and maximize are mixed up; "
            "leave out --direction"
        )
    return found
