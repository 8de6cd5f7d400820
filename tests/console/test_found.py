from typing import Any

import msgspec
import pytest
from hypothesis import given

from judging import finding
from nouns import findings
from propolis.console.found import _row
from propolis.findings import Finding


@given(findings())
def test_every_finding_is_a_row_of_text(found: Finding) -> None:
    row = _row(found)
    assert all(isinstance(value, str) and len(value) <= 200 for value in row.values())
    assert all(value.isprintable() for value in row.values())


def test_a_row_says_whom_and_what() -> None:
    row = _row(
        msgspec.structs.replace(finding(), title="", cve=("CVE-2024-3400", "CVE-2021-44228"), count=12_000)
    )
    assert row["title"] == "ssh-guessing"
    assert row["cve"] == "CVE-2024-3400, CVE-2021-44228"
    assert row["count"] == "12,000"


@pytest.mark.root
def test_a_finding_opens_down_to_its_bytes_and_none_of_them_runs(visit: Any, hive: Any) -> None:
    found = hive.attack("203.0.113.31")
    visit.click(".findings tbody td", "203.0.113.31")
    dump = visit.text_of(".evidence .bytes")
    assert dump.startswith("00000000  50 4f 53 54 20 2f 63 67  69 2d 62 69 6e")
    shown = visit.text_of(".evidence")
    assert found.title in shown
    assert "<img src=x onerror=document.title='owned'>" in shown
    assert "<script>document.title='owned'</script>\\x1b[2J\\x00\ufffd" in shown
    assert "203.0.113.250" in shown
    page = visit.chromium
    assert page.execute_script("return document.querySelectorAll('img[src=x], .evidence script').length") == 0
    assert page.title == "Propolis"
    visit.click(".evidence button", "Close")
    visit.until("return !document.querySelector('.evidence')")


@pytest.mark.root
def test_markup_that_got_into_the_page_all_the_same_would_not_run(visit: Any) -> None:
    visit.chromium.execute_script(
        "document.body.insertAdjacentHTML('beforeend', `<img src=x onerror=\"document.title='owned'\">`);"
        "const script = document.createElement('script'); script.textContent = `document.title='owned'`;"
        "document.body.append(script)"
    )
    visit.until("return [...document.images].some(i => i.getAttribute('src') == 'x' && i.complete)")
    assert visit.chromium.title == "Propolis"
    visit.chromium.get_log("browser")  # the browser's complaints about this test belong to no other


@pytest.mark.root
def test_evidence_that_the_stream_lost_is_looked_for_in_the_lake(visit: Any, hive: Any) -> None:
    found = hive.attack("203.0.113.32", sequence=10**9)
    visit.click(".findings tbody td", "203.0.113.32")
    assert found.evidence[0].event in visit.text_of(".evidence .bytes")
    assert "propolis hunt" in visit.text_of(".evidence .bytes")
    visit.click(".evidence button", "Close")
    visit.until("return !document.querySelector('.evidence')")
