from scripts.data_dictionary import PAGE, render


def test_the_data_dictionary_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), "run make docs"
