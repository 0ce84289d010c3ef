import hashlens.retrieval as retrieval


def test_names_are_sorted_and_exist():
    assert retrieval.__all__ == sorted(retrieval.__all__)
    assert all(hasattr(retrieval, name) for name in retrieval.__all__)
