import pytest
from hypothesis import given
from hypothesis import strategies as st

from hashlens.data.address import Address, parse
from hashlens.errors import DataError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("digits", Address("digits", "digits")),
        ("digits[1000:]", Address("digits[1000:]", "digits", start=1000)),
        ("digits#test[-5:-1]", Address("digits#test[-5:-1]", "digits", split="test", start=-5, stop=-1)),
        ("parquet:a/b#train[:48000]", Address("parquet:a/b#train[:48000]", "parquet", "a/b", "train", None, 48000)),
        ("npz:/x/my#1/a.npz", Address("npz:/x/my#1/a.npz", "npz", "/x/my#1/a.npz")),
        ("folder:C:\\images", Address("folder:C:\\images", "folder", "C:\\images")),
        ("torchvision:MNIST:data#test", Address("torchvision:MNIST:data#test", "torchvision", "MNIST:data", "test")),
        (
            "folder:a/b?orientation=ignore&transparency=ignore#train[:5]",
            Address(
                "folder:a/b?orientation=ignore&transparency=ignore#train[:5]",
                "folder",
                "a/b",
                "train",
                None,
                5,
                (("orientation", "ignore"), ("transparency", "ignore")),
            ),
        ),
        ("folder:what?/b", Address("folder:what?/b", "folder", "what?/b")),
        ("parquet:a[1]/b", Address("parquet:a[1]/b", "parquet", "a[1]/b")),
    ],
)
def test_a_source_string_is_taken_apart(text, expected):
    assert parse(text) == expected


@given(
    place=st.text(alphabet="abc/._-: ", max_size=12),
    split=st.none() | st.text(alphabet="abc_", min_size=1),
    start=st.none() | st.integers(-99, 99),
    stop=st.none() | st.integers(-99, 99),
)
def test_what_is_put_together_comes_apart_again(place, split, start, stop):
    rows = (
        "" if start is None and stop is None else f"[{'' if start is None else start}:{'' if stop is None else stop}]"
    )
    text = "npz" + (f":{place}" if place else "") + (f"#{split}" if split else "") + rows
    assert parse(text) == Address(text, "npz", place, split, start, stop)


@pytest.mark.parametrize("text", ["", "#train", "digits[5]", "digits[a:b]", "digits[1:2:3]", "[:5]", "digits[:5]x"])
def test_what_has_another_form_is_refused_with_the_form(text):
    with pytest.raises(DataError, match=r"expected scheme:place#split\[start:stop\], as in digits\[:1000\]"):
        parse(text)


def test_a_split_may_be_left_out_only_where_there_is_one():
    assert parse("npz:f").choose(["train"]) == "train"
    assert parse("npz:f#test").choose(["train", "test"]) == "test"
    with pytest.raises(DataError, match=r"npz:f: say which split: npz:f#test or npz:f#train"):
        parse("npz:f").choose(["train", "test"])
    with pytest.raises(DataError, match=r"no split 'trian'; did you mean 'train'"):
        parse("npz:f#trian").choose(["train", "test"])


def test_options_stay_in_what_is_offered():
    with pytest.raises(DataError, match=r"say which split: folder:f\?orientation=ignore#test or folder:f\?orient"):
        parse("folder:f?orientation=ignore").choose(["train", "test"])


def test_a_missing_path_says_how_far_it_exists(tmp_path):
    with pytest.raises(DataError, match=r"no file or folder") as error:
        parse(f"npz:{tmp_path}/deep/down.npz").path()
    assert str(error.value).endswith(f"what exists of this path is {str(tmp_path)!r}")
