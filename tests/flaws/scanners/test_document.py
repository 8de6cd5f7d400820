"""A scanner's file as plain data."""

import pytest

from propolis.flaws.scanners.document import TemplateError, cves, cwes, load, mappings, tags, text, texts


def test_scalars_are_the_texts_they_were_written_as() -> None:
    tree = load("a: true\nb: 2023-01-02\nc: [1, x]\nd:")
    assert text(tree["a"]) == "true"
    assert text(tree["b"]) == "2023-01-02"
    assert texts(tree["c"]) == ("1", "x")
    assert (text(tree["d"]), texts(tree["d"]), mappings(tree["c"])) == ("", (), [])


def test_numbers_and_words() -> None:
    assert cves(["cve.CVE-2024-1234", "CVE-2024-1234 cve-2020-1"]) == ("CVE-2024-1234",)
    assert cwes("cwe.CWE-22") == ("CWE-22",)
    assert tags("CVE, Rce ,") == ("cve", "rce")


@pytest.mark.parametrize(
    "written", ["", "- a", "id: [", "a: &a [1]\nb: *a", "[" * 40 + "]" * 40, "x" * 1_048_577]
)
def test_what_is_no_mapping_or_too_much_is_refused(written: str) -> None:
    with pytest.raises(TemplateError):
        load(written)
