"""The application: its commands, and what happens to errors."""

import sys
import warnings
from collections.abc import Sequence
from functools import partial
from typing import Any

import typer

from hashlens.cli import STOPPED
from hashlens.cli.audit import audit
from hashlens.cli.demo import demo
from hashlens.cli.encode import encode
from hashlens.cli.explain import explain
from hashlens.cli.generate import generate
from hashlens.cli.hints import as_options, options_of
from hashlens.cli.index import index
from hashlens.cli.kernel import kernel
from hashlens.cli.measure import measure
from hashlens.cli.options import STANDARD_OUTPUT, Stopped, console
from hashlens.cli.regions import regions
from hashlens.cli.report import report
from hashlens.cli.reproduce import reproduce
from hashlens.cli.study import study
from hashlens.cli.ted import ted
from hashlens.cli.train import train
from hashlens.cli.tune import tune
from hashlens.errors import CodesWarning, HashlensError, KernelWarning, TEDWarning
from hashlens.passwords import mask_passwords
from hashlens.version import __version__

BUG, USER_ERROR = 1, 2
# Newer releases of Typer contain click and export only some of its errors: the base class is found from one of these.
UsageError = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "UsageError")

app = typer.Typer(
    name="hashlens",
    help="Read the neural code of any PyTorch network, and measure what it tells about the data.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (demo, train, measure, encode, audit, explain, reproduce, report):
    app.command()(command)
app.add_typer(study, name="study")
app.add_typer(regions, name="regions")
app.add_typer(index, name="index")
app.add_typer(generate, name="generate")
app.add_typer(ted, name="ted")
app.add_typer(tune, name="tune")
app.add_typer(kernel, name="kernel")


def _version(requested: bool) -> None:
    if requested:
        print(f"hashlens {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    pass


def run(arguments: Sequence[str]) -> int:
    """Run the command line and return its exit status.

    Parameters
    ----------
    arguments : sequence of str
        Without the program's name. With ``--debug`` among them, errors are raised with their traceback.
    """
    debug = "--debug" in arguments
    with warnings.catch_warnings():
        warnings.showwarning = partial(_warn, arguments)
        return _run(arguments, debug)


def _run(arguments: Sequence[str], debug: bool) -> int:
    try:
        status = int(app(list(arguments), standalone_mode=False, obj=list(arguments)) or 0)
        # Some releases of Typer return this status instead of raising KeyboardInterrupt.
        return _print_line("stopped", STOPPED) if status == STOPPED else status
    except HashlensError as error:
        if debug:
            raise
        return _print_line(_with_options(str(error), arguments), USER_ERROR)
    except typer.Exit as request:
        return request.exit_code
    except Stopped as stopped:
        return _print_line(str(stopped), STOPPED)
    except (KeyboardInterrupt, typer.Abort):
        return _print_line("stopped", STOPPED)
    except Exception as error:
        if isinstance(error, UsageError):
            message = _usage_message(error)
            # The error has no text if the command line names no command: then the help has been printed.
            return _print_line(message, USER_ERROR) if message else USER_ERROR
        if debug:
            raise
        what = " ".join(f"{type(error).__name__}: {error}".split())
        return _print_line(f"this is a bug in hashlens: {what}; run again with --debug and report it", BUG)


def _usage_message(error: Exception) -> str:
    context = getattr(error, "ctx", None)
    text = " ".join(error.format_message().split())  # type: ignore[attr-defined]
    return f"{text} (see: {context.command_path} --help)" if context and text else text


def _with_options(message: str, arguments: Sequence[str]) -> str:
    return as_options(message, options_of(typer.main.get_command(app), arguments))


def _warn(
    arguments: Sequence[str],
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: Any = None,
    line: Any = None,
) -> None:
    """Print a warning as one line; a warning of another package is shown with its class and its place."""
    is_ours = issubclass(category, CodesWarning | KernelWarning | TEDWarning)
    if is_ours:
        message = _with_options(str(message), arguments)
    where = "" if is_ours else f" ({category.__name__}, {filename}:{lineno})"
    _print_line(f"{message}{where}", 0)


def _print_line(message: str, status: int) -> int:
    console(STANDARD_OUTPUT).print(mask_passwords(f"hashlens: {message}"), soft_wrap=True)
    sys.stderr.flush()
    return status
