import hashlens.measures as measures


def test_names_are_sorted_and_exist():
    assert measures.__all__ == sorted(measures.__all__)
    assert all(hasattr(measures, name) for name in measures.__all__)
