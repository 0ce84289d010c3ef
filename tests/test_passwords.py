import pytest

from hashlens.passwords import masked

SECRETS = {
    "postgresql://ada:secret@host/runs": "postgresql://ada:***@host/runs",
    "postgresql://ada:se@cr:et@host:5432/runs": "postgresql://ada:***@host:5432/runs",
    "postgresql+psycopg://ada:s%40e@[::1]/x?sslmode=require": "postgresql+psycopg://ada:***@[::1]/x?sslmode=require",
    "postgresql://host/runs?user=ada&password=secret&sslmode=require": (
        "postgresql://host/runs?user=ada&password=***&sslmode=require"
    ),
    "next: hashlens study run a.yaml --store 'postgresql://ada:se/cret@host/runs' --retry-failed": (
        "next: hashlens study run a.yaml --store 'postgresql://ada:***@host/runs' --retry-failed"
    ),
}


@pytest.mark.parametrize("text", SECRETS)
def test_passwords_are_masked(text):
    assert masked(text) == SECRETS[text]


@pytest.mark.parametrize(
    "text", ["postgresql://ada@host/runs", "study.db", "sqlite:///a:b@c.db", "folder:DIR#train", "ada@host: done"]
)
def test_what_holds_no_password_stays(text):
    assert masked(text) == text
