"""Text that is shown: what a terminal, a browser or a reader's eye would act on is written out as an escape."""

import re

# Control characters but tab and newline, embeddings and overrides of the direction of text, separators of lines that
# look like none, and halves of surrogate pairs, which stand for the bytes of file names that are no UTF-8.
_ACTED_ON = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: str) -> str:
    r"""Return a text in which every character that would be acted on is written as Python writes it.

    >>> visible("\x1b[31mred\x1b[0m, \u202egnp.exe")
    '\\x1b[31mred\\x1b[0m, \\u202egnp.exe'
    >>> visible("שלום, 世界")
    'שלום, 世界'
    """
    return _ACTED_ON.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
