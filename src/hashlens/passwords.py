"""Passwords in the URLs of databases, which no line, page or error shows."""

import re

# All up to the last @ of a word: a password may hold an @ that nobody escaped, or spaces before it. What was meant for
# the URL of a database, with a slash too few, is masked too.
_IN_URL = re.compile(
    r"((?:\w+://|postgres\w*(?:\+\w+)?:/)[^:/@\s]*:)(?:\S*|(?!\d+\s)[^@/\s'\"]+ [^@\n]*?)(?=@)", re.IGNORECASE
)
_IN_QUERY = re.compile(r"([?&]\w*pass\w*=)[^&\s'\"]*", re.IGNORECASE)


def masked(text: str) -> str:
    """Return a text with the passwords of its URLs as ``***``.

    >>> masked("kept in postgresql://ada:se:c@ret@host/runs?sslmode=require")
    'kept in postgresql://ada:***@host/runs?sslmode=require'
    >>> masked("postgresql://ada@host:5432/runs")
    'postgresql://ada@host:5432/runs'
    """
    return _IN_QUERY.sub(r"\1***", _IN_URL.sub(r"\1***", text))
