"""Error messages on the command line: they name options in place of Python arguments."""

import ast
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

# A name with = after a space or bracket, and its value: text, a list, a mapping, a word, a function `fn`, or nothing.
_ARGUMENT = re.compile(
    r"(?<![^\s(])(?P<name>[a-z][a-zA-Z_]*)=(?P<value>'[^']*'|\"[^\"]*\"|\[[^\]]*\]|\{[^}]*\}"
    r"|True|False|None|fn(?:\([^)]*\))?|)(?=[\s,;:.)]|$)"
)
_CALLED = {"force": "overwrite", "weight": "weights", "begin": "a", "finish": "b"}
"""Names of the library's arguments by parameters of commands, where the two differ."""


def options_of(root: Any, words: Sequence[str]) -> dict[str, tuple[str, str | None]]:
    """Return the options of the command that `words` begin with: by argument, the option and its negated form.

    Parameters
    ----------
    root : click.Group
        The application.
    words : sequence of str
        The command line.
    """
    command = root
    for word in words:
        subcommand = getattr(command, "commands", {}).get(word)
        if subcommand is None:
            break
        command = subcommand
    result = {}
    for parameter in getattr(command, "params", ()):
        longest = [word for word in parameter.opts if word.startswith("--")]
        if longest:
            negated = parameter.secondary_opts[0] if parameter.secondary_opts else None
            result[_CALLED.get(parameter.name, parameter.name)] = (longest[0], negated)
    return result


def as_options(text: str, options: Mapping[str, tuple[str, str | None]]) -> str:
    """Return an error message with options in place of arguments; arguments without an option get "(in Python)".

    >>> options = {"output": ("--output", None), "overwrite": ("--force", None)}
    >>> as_options("'k=3 x' exists: give overwrite=True, or output='regression'", options)
    "'k=3 x' exists: give --force, or --output regression"
    >>> as_options("give reshape= too", options)
    'give reshape= (in Python) too'
    >>> as_options("give forward=fn(model, batch)", {"forward": ("--forward", None)})
    'give --forward'
    """
    # Quoted names and paths are not changed: they are every other piece, if no = precedes the quotes.
    pieces = re.split(r"((?<![=\w\[{])'[^']*'(?!\w))", text)
    return "".join(piece if i % 2 else _ARGUMENT.sub(lambda found: _option(found, options), piece)
                   for i, piece in enumerate(pieces))  # fmt: skip


def _option(match: "re.Match[str]", options: Mapping[str, tuple[str, str | None]]) -> str:
    name, value_text = match["name"], match["value"]
    if name not in options:
        return f"{match[0]} (in Python)"
    option, negated = options[name]
    if value_text == "False" and negated is not None:
        return negated
    if value_text.startswith("fn"):
        return option
    if value_text in ("", "True", "False", "None"):
        return f"no {option}" if value_text in ("False", "None") else option
    value = ast.literal_eval(value_text)
    if isinstance(value, dict):
        words = [f"{key}={str(one).lower() if isinstance(one, bool) else one}" for key, one in value.items()]
    else:
        words = [str(one) for one in (value if isinstance(value, list) else [value])]
    return " ".join(f"{option} {shlex.quote(one)}" for one in words)
