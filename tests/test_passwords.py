import pytest

from hashlens.errors import DataError, OutputError, StudyError
from hashlens.passwords import mask_passwords

SECRETS = {
    "kept in postgresql://ada:se cr et@host/runs": "kept in postgresql://ada:***@host/runs",
    "postgresql:/ada:secret@host/runs is not there": "postgresql:/ada:***@host/runs is not there",
    "POSTGRES:/ada:secret@host": "POSTGRES:/ada:***@host",
    "postgresql://ada@host/runs?sslpassword=secret&PassFile=x": "postgresql://ada@host/runs?sslpassword=***&PassFile=***",
    "postgresql://ada:secret@host/runs": "postgresql://ada:***@host/runs",
    "postgresql://ada:se@cr:et@host:5432/runs": "postgresql://ada:***@host:5432/runs",
    "postgresql+psycopg://ada:s%40e@[::1]/x?sslmode=require": "postgresql+psycopg://ada:***@[::1]/x?sslmode=require",
    "postgresql://host/runs?user=ada&password=secret&sslmode=require": (
        "postgresql://host/runs?user=ada&password=***&sslmode=require"
    ),
    "postgresql://host/runs?password=se cr et&sslmode=require": "postgresql://host/runs?password=***&sslmode=require",
    "cannot open 'postgresql://host/runs?password=se cr et': refused": (
        "cannot open 'postgresql://host/runs?password=***': refused"
    ),
    "stored in postgresql://host/runs?password=my two words": "stored in postgresql://host/runs?password=***",
    "see 'postgresql://host/runs?password=it's' or not": "see 'postgresql://host/runs?password=***' or not",
    "postgresql://host/runs?password=it's secret": "postgresql://host/runs?password=***",
    "postgresql://host/runs?password=***x y": "postgresql://host/runs?password=***",
    "postgresql://host/runs?password=two words\nnext line": "postgresql://host/runs?password=***\nnext line",
    "next: hashlens study run a.yaml --store 'postgresql://ada:se/cret@host/runs' --retry-failed": (
        "next: hashlens study run a.yaml --store 'postgresql://ada:***@host/runs' --retry-failed"
    ),
}


@pytest.mark.parametrize("text", SECRETS)
def test_passwords_are_masked(text):
    assert mask_passwords(text) == SECRETS[text]


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://ada@host/runs",
        "study.db",
        "postgresql://host/runs?password=***: it cannot be reached",
        "postgresql://host/runs?password=*** is busy",
        "sqlite:///a:b@c.db",
        "folder:DIR#train",
        "ada@host: done",
        "http://host:80 is up, says ada@host",
    ],
)
def test_what_holds_no_password_stays(text):
    assert mask_passwords(text) == text


def test_no_error_holds_a_password():
    for kind in (StudyError, OutputError, DataError):
        assert "hush" not in str(kind("postgresql:/ada:hush@host/runs is not there"))
