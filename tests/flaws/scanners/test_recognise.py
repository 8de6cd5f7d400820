"""From a request to the conditions that recognise it."""

import pytest

from propolis.flaws.file import Flaw
from propolis.flaws.index import Catalogue
from propolis.flaws.request import Request
from propolis.flaws.scanners.folder import import_template
from propolis.flaws.scanners.marks import Marks
from propolis.flaws.scanners.recognise import is_attack, quote, recognise
from propolis.flaws.session import Session
from templates import TEMPLATE


def test_payloads_are_told_from_words() -> None:
    assert is_attack(b"../../../etc/passwd")
    assert not is_attack(b"hello")
    assert quote(b"a.b") == r"a\.b"


@pytest.mark.parametrize("end", ["", "\r\n", "\n\n"])
def test_a_common_page_with_nothing_but_an_empty_line_behind_it_is_no_attack(end: str) -> None:
    recognised = recognise(
        f"GET /login HTTP/1.1\r\nHost: h\r\n\r\n{end}".encode(), Marks(lambda _: "", lambda _: False)
    )
    assert (recognised.is_attack, recognised.is_ordinary) == (False, True)


def test_the_lure_recognises_its_request_and_no_neighbour() -> None:
    flaw = import_template(TEMPLATE, "demo-rce")
    assert isinstance(flaw, Flaw)
    catalogue = Catalogue([flaw])
    asked = b"POST /cgi/run?x=4711 HTTP/1.1\r\nHost: a\r\nContent-Length: 15\r\n\r\ncmd=echo%204711"
    assert catalogue.matches(Request.parse(asked), Session())
    other = b"POST /cgi/other HTTP/1.1\r\nHost: a\r\nContent-Length: 15\r\n\r\ncmd=echo%204711"
    assert not catalogue.matches(Request.parse(other), Session())
