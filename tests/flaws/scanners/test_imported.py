"""What came of an import."""

from propolis.flaws.scanners.folder import study
from propolis.flaws.scanners.imported import BELIEVED, Study, gather
from templates import TEMPLATE


def test_two_flaws_of_one_id_get_numbers() -> None:
    known = study(TEMPLATE, "demo-rce")
    imported = gather([known, known])
    assert len({flaw.id for flaw in imported.flaws}) == 2
    assert known.verdict == BELIEVED
    assert isinstance(known, Study)
