from typing import Any

import pytest

pytestmark = pytest.mark.root


def test_a_table_without_rows_says_what_to_do_next(visit: Any) -> None:
    empty = visit.until("return [...document.querySelectorAll('.empty')].map(e => e.innerText).join(' ')")
    assert "'propolis up' starts one" in empty


def test_rows_that_did_not_change_are_not_drawn_again(visit: Any, hive: Any) -> None:
    hive.attack("203.0.113.20")
    visit.until(
        "return [...document.querySelectorAll('.findings tr')].some(r => r.innerText.includes('203.0.113.20'))"
    )
    visit.chromium.execute_script("document.querySelector('.findings tbody tr').marked = 'the very same'")
    hive.attack("203.0.113.21")
    visit.until(
        "return [...document.querySelectorAll('.findings tr')].some(r => r.innerText.includes('203.0.113.21'))"
    )
    assert visit.until("return [...document.querySelectorAll('.findings tbody tr')].some(r => r.marked)")
