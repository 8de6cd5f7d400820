"""Texts that attackers ask for by name."""

from propolis.flaws.scanners import contents


def test_every_content_has_a_sample_and_a_template() -> None:
    known = [value for value in vars(contents).values() if isinstance(value, contents.Content)]
    known += [
        each
        for value in vars(contents).values()
        if isinstance(value, tuple)
        for each in value
        if isinstance(each, contents.Content)
    ]
    assert known
    for content in known:
        assert content.sample
        assert content.template
