"""The page in Debian's Chromium, beside a real stream, decider and enforcer."""

import json
import urllib.parse
from typing import Any

import httpx
import pytest
from selenium.webdriver.support.ui import WebDriverWait

pytestmark = pytest.mark.root


def test_a_wrong_password_shows_no_page(chromium: Any, hive: Any) -> None:
    chromium.delete_all_cookies()
    chromium.get(f"{hive.url}/")
    assert chromium.current_url.endswith("/login")
    chromium.find_element("id", "password").send_keys("wrong")
    chromium.find_element("tag name", "button").click()
    said = "return document.querySelector('.message')?.innerText"
    assert (
        WebDriverWait(chromium, 20).until(lambda page: page.execute_script(said))
        == "That is not the password."
    )


def test_the_page_is_there_and_asks_nobody_but_us(visit: Any, hive: Any) -> None:
    assert visit.text_of("header .name") == "Propolis"
    assert visit.text_of("header .badge") == "STREAM"
    hosts = set()
    for entry in visit.chromium.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            asked = urllib.parse.urlsplit(message["params"]["request"]["url"])
            hosts |= {asked.netloc} if asked.scheme.startswith(("http", "ws")) else set()
    assert hosts == {hive.config.console.listen}


def test_nothing_on_the_page_breaks_its_policy(visit: Any, hive: Any) -> None:
    visit.chromium.get_log("browser")  # what other tests did to the page
    visit.chromium.get(hive.url)
    visit.until("return document.querySelectorAll('canvas').length >= 2")
    assert [entry for entry in visit.chromium.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_a_page_whose_session_the_server_forgot_shows_the_way_in(visit: Any, hive: Any) -> None:
    visit.chromium.delete_all_cookies()
    visit.until("return location.pathname == '/login'")


def test_the_html_is_built_without_a_word_of_an_attackers(visit: Any, hive: Any) -> None:
    hive.attack("203.0.113.66")
    visit.until("return document.querySelector('.findings tbody')?.innerText.includes('203.0.113.66')")
    cookies = {cookie["name"]: cookie["value"] for cookie in visit.chromium.get_cookies()}
    page = httpx.get(hive.url, cookies=cookies).text
    assert "Latest findings" in page
    assert "203.0.113.66" not in page
    assert "owned" not in page


def test_the_cookie_is_out_of_a_scripts_reach(visit: Any) -> None:
    assert visit.chromium.execute_script("return document.cookie") == ""
    (cookie,) = [cookie for cookie in visit.chromium.get_cookies() if cookie["name"] == "propolis"]
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"


def test_logging_out_ends_it_in_every_tab(visit: Any, hive: Any) -> None:
    first = visit.chromium.current_window_handle
    visit.chromium.switch_to.new_window("tab")
    visit.log_in()
    visit.click("header button", "Log out")
    visit.until("return location.pathname == '/login'")
    visit.chromium.close()
    visit.chromium.switch_to.window(first)
    visit.until("return location.pathname == '/login'")
    visit.chromium.get(hive.url)
    assert visit.chromium.current_url.endswith("/login")
