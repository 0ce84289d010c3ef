"""Escaping of characters that would change how a terminal, a browser or a reader shows a text."""

import re

# Control characters except tab and newline, characters that change the direction of text, invisible line separators,
# and single surrogates, which represent the bytes of file names that are not UTF-8.
_UNSAFE = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def escape_unsafe(text: str) -> str:
    r"""Return a text in which characters that change how it is shown are replaced by their Python escapes.

    >>> escape_unsafe("\x1b[31mred\x1b[0m, \u202egnp.exe")
    '\\x1b[31mred\\x1b[0m, \\u202egnp.exe'
    >>> escape_unsafe("שלום, 世界")
    'שלום, 世界'
    """
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
