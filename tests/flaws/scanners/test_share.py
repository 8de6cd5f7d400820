"""One page where several flaws of a family ask for the same one."""

from propolis.flaws.file import Flaw
from propolis.flaws.scanners.folder import study
from propolis.flaws.scanners.share import is_page, share

PLUGIN = """id: {name}
info: {{name: "{name} - RCE", severity: high, metadata: {{product: {name}, framework: wordpress}}, tags: rce}}
flow: http(1) && http(2)
http:
  - raw: ["GET / HTTP/1.1\\nHost: {{{{Hostname}}}}\\n"]
    matchers:
      - {{type: dsl, dsl: ["{asked}"]}}
  - raw: ["GET /wp-content/plugins/{name}/run.php?cmd=id HTTP/1.1\\nHost: {{{{Hostname}}}}\\n"]
    matchers:
      - {{type: word, words: ["uid="]}}
"""
FRONT = "contains(body, '/wp-content/plugins/{}/')"


def plugin(name: str, asked: str = "") -> str:
    return PLUGIN.format(name=name, asked=asked or FRONT.format(name))


def front_pages(*texts: str) -> list[str]:
    shared = share([study(text, f"plugin-{number}") for number, text in enumerate(texts)])
    flaws = [one.flaw for one in shared if isinstance(one.flaw, Flaw)]
    return [step.reply.body for flaw in flaws for step in flaw.steps if is_page(step)]


def test_plugins_of_one_host_have_one_front_page() -> None:
    one, other = front_pages(plugin("alpha"), plugin("beta"))
    assert one == other
    assert "<title>Wordpress</title>" in one
    assert "/plugins/alpha/" in one
    assert "/plugins/beta/" in one


def test_what_would_not_be_believed_any_more_stays() -> None:
    alone = FRONT.format("alpha") + " && !contains(body, 'beta')"
    one, other = front_pages(plugin("alpha", alone), plugin("beta"))
    assert "beta" not in one
    assert "beta" in other


def test_products_that_have_nothing_to_do_with_each_other_share_nothing() -> None:
    text = plugin("alpha").replace("framework: wordpress", "vendor: x").replace("/wp-content/plugins/", "/")
    one, other = front_pages(text, text.replace("alpha", "beta"))
    assert one != other


def test_what_one_lure_draws_all_draw() -> None:
    text = (
        plugin("alpha")
        .replace("run.php?cmd=id", "run.php?cmd=id&t={{token}}")
        .replace(
            '  - raw: ["GET /wp-content',
            "    extractors: [{type: regex, name: token, internal: true, group: 1, regex: ['nonce=\"([a-z]+)\"']}]\n"
            '  - raw: ["GET /wp-content',
        )
    )
    one, other = front_pages(text, plugin("beta"))
    assert one == other
    assert 'nonce="{{ token }}"' in one
    assert "/plugins/beta/" in one


def test_a_page_with_headers_of_its_own_shows_the_others() -> None:
    asked = FRONT.format("alpha") + " && contains(header, 'X-Pingback: ')"
    one, other = front_pages(plugin("alpha", asked), plugin("beta"))
    assert "/plugins/beta/" in one
    assert "/plugins/alpha/" not in other
