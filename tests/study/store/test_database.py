import os
import random
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import event

from hashlens.errors import MissingExtraError, OutputError, StudyError
from hashlens.study.row import Row
from hashlens.study.store import Store

from .test_store import SPEC, begun, finish, same, some_rows, states


@pytest.mark.parametrize(
    ("given", "kind", "message"),
    [
        ("folder", OutputError, "is a folder"),
        ("no/such/study.db", OutputError, "the folder no/such is not there; make it first"),
        ("notes.txt", StudyError, "is not an SQLite file"),
        ("notes.txt/study.db", OutputError, "the folder notes.txt is not there; make it first"),
        ("songs.db", StudyError, "is an SQLite file of something else"),
        ("x" * 300, OutputError, "cannot be opened"),
        ("", StudyError, "a store is the path of an SQLite file"),
        (":memory:", StudyError, "a store is the path of an SQLite file"),
        ("sqlite://", StudyError, "a store is the path of an SQLite file"),
        ("mysql://me:secret@host/name", StudyError, r"received 'mysql://me:\*\*\*@host/name'"),
        ("gopher://host", StudyError, "a store is the path of an SQLite file"),
        ("postgresql://host:port:1/x", StudyError, "a store is the path of an SQLite file"),
    ],
)
def test_what_is_no_store_is_refused_and_left_alone(tmp_path, monkeypatch, given, kind, message):
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("notes.txt").write_text("these are my notes, not a database")
    with closing(sqlite3.connect("songs.db")) as connection:
        connection.execute("CREATE TABLE songs (name TEXT)")
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    with pytest.raises(kind, match=message) as caught:
        Store.open(given)
    assert "\n" not in str(caught.value)
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


@pytest.mark.faults
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("UPDATE hashlens_study SET spec = '{'", "is corrupt: put back a copy"),
        ("UPDATE hashlens_study SET spec = '[1]'", "is corrupt: put back a copy"),
        ("UPDATE hashlens_row SET value = 'much'", "is corrupt: put back a copy"),
        ("DELETE FROM hashlens_study", "holds no study: put back a copy"),
        ("DROP TABLE hashlens_run", r"is damaged \(no such table: hashlens_run\): put back a copy"),
    ],
)
def test_a_store_that_somebody_changed_is_one_line(tmp_path, damage, message):
    store = begun(tmp_path / "study.db")
    run = store.claim("w", lease=60)[0]
    store.commit(run, "w", some_rows(run), {})
    with closing(sqlite3.connect(tmp_path / "study.db")) as connection, connection:
        connection.execute(damage)
    with pytest.raises(StudyError, match=message) as caught:
        Store.open(tmp_path / "study.db", create=False).results()
    assert "\n" not in str(caught.value)


def test_nothing_is_written_before_the_study_begins(tmp_path):
    Store.open(tmp_path / "study.db")
    with pytest.raises(StudyError, match="is not there: begin the study with `hashlens study run`"):
        Store.open(tmp_path / "study.db", create=False)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "study.db").touch()
    with pytest.raises(StudyError, match="holds no study: begin"):
        Store.open(tmp_path / "study.db", create=False)
    assert begun(tmp_path / "study.db").spec == SPEC


def test_url_of_a_file(tmp_path):
    store = begun(f"sqlite:///{tmp_path}/study.db")
    assert store.name == str(tmp_path / "study.db")
    assert Store.open(tmp_path / "study.db").spec == SPEC


def test_postgresql_without_its_driver(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingExtraError, match=r"hashlens\[postgres\]"):
        Store.open("postgresql://localhost/study")


@pytest.mark.slow
@pytest.mark.faults
def test_no_server(tmp_path):
    pytest.importorskip("psycopg")
    with pytest.raises(StudyError, match=r"cannot be used: .*finished runs are kept") as caught:
        Store.open("postgresql://me:secret@127.0.0.1:1/study")
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.faults
def test_locked(tmp_path):
    store = begun(tmp_path / "study.db")
    run = store.claim("w", lease=60)[0]
    hurried = Store.open(tmp_path / "study.db", timeout=0.1)
    with closing(sqlite3.connect(tmp_path / "study.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StudyError, match=r"locked by another program for 0.1 s; finished runs are kept"):
            hurried.commit(run, "w", some_rows(run), {})
        assert states(hurried)[0] == "leased"  # readers need not wait
    assert hurried.commit(run, "w", some_rows(run), {})


@pytest.mark.faults
def test_full_disk(tmp_path):
    store = begun(tmp_path / "study.db")
    first, second = store.claim("w", lease=60)
    store.commit(first, "w", some_rows(first), {})
    before = store.results()
    full = Store.open(tmp_path / "study.db")
    pages = (tmp_path / "study.db").stat().st_size // 4096
    event.listen(full._database._engine, "connect", lambda c, _: c.execute(f"PRAGMA max_page_count={pages}"))
    many = [Row(epochs, "knn", "train", 0.5) for epochs in range(5000)]
    with pytest.raises(OutputError, match=r"the disk is full; finished runs are kept; run the same command again"):
        full.commit(second, "w", many, {})
    assert same(store.results(), before)
    assert states(store)[:2] == ["done", "leased"]
    assert store.commit(second, "w", many, {})


@pytest.mark.faults
@pytest.mark.parametrize("where", ["pages", "cut"])
def test_corrupt(tmp_path, where):
    path = tmp_path / "study.db"
    store = begun(path)
    finish(store)
    content = bytearray(path.read_bytes())
    if where == "pages":
        content[4096:] = bytes(random.Random(0).randbytes(len(content) - 4096))
    else:
        del content[6000:]
    path.write_bytes(content)
    with pytest.raises(StudyError, match=r"study\.db is corrupt: put back a copy"):
        Store.open(path).results()


@pytest.mark.faults
def test_gone(tmp_path):
    store = begun(tmp_path / "study.db")
    (tmp_path / "study.db").unlink()
    with pytest.raises(StudyError, match="is missing: restore it"):
        store.claim("w", lease=60)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.faults
@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anything")
def test_read_only(tmp_path):
    store = begun(tmp_path / "study.db")
    (tmp_path / "study.db").chmod(0o400)
    with pytest.raises(OutputError, match="is read-only; finished runs are kept"):
        store.claim("w", lease=60)
