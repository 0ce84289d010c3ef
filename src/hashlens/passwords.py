"""Masking of passwords in database URLs: no output, page or error may show them."""

import re

# Everything up to the last @ of a word is masked, because a password may contain an unescaped @, or spaces before it.
# A URL with a missing slash is masked too.
_IN_URL = re.compile(
    r"((?:\w+://|postgres\w*(?:\+\w+)?:/)[^:/@\s]*:)(?:\S*|(?!\d+\s)[^@/\s'\"]+ [^@\n]*?)(?=@)", re.IGNORECASE
)
# A password in the query may hold spaces too. So it ends at an &, at a closing quote, or with the line. What was masked
# before stays as it is.
_IN_QUERY = re.compile(
    r"([?&]\w*pass\w*=)(?!\*\*\*(?![^&\s'\";:,)]))(?:[^&\n'\"]|['\"](?![\s:;,.)\]]|$))*",
    re.IGNORECASE | re.MULTILINE,
)


def mask_passwords(text: str) -> str:
    """Return a text in which the passwords of URLs are replaced by ``***``.

    >>> mask_passwords("kept in postgresql://ada:se:c@ret@host/runs?sslmode=require")
    'kept in postgresql://ada:***@host/runs?sslmode=require'
    >>> mask_passwords("postgresql://ada@host:5432/runs")
    'postgresql://ada@host:5432/runs'
    """
    return _IN_QUERY.sub(r"\1***", _IN_URL.sub(r"\1***", text))
