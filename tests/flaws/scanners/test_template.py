"""The form that every scanner's template has in the end."""

from propolis.flaws.scanners.template import suffix


def test_a_part_may_name_its_response() -> None:
    assert suffix("body_2") == ("body", 2)
    assert suffix("status_code") == ("status_code", 0)
