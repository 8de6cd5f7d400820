"""What a template takes out of responses."""

from propolis.flaws.scanners.extractors import jq, named_header, plant


def test_a_value_is_planted_where_a_path_leads() -> None:
    path = jq(".data.token")
    assert path is not None
    assert plant({"data": 3}, path, b"x")["data"]["token"] == "x"
    assert jq("map(.a) | add") is None


def test_a_header_by_the_name_that_matchers_give_it() -> None:
    assert named_header("content_type", b"text/plain").lower().startswith(b"content-type: text/plain")
