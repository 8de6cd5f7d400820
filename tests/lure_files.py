"""Lure files of the tests: one flaw of one product, whose word can be changed."""

from pathlib import Path

TEXT = """\
id: {id}
name: {name}
cve: ["CVE-2099-0001"]
kind: command-injection
product: {product}
ports: {ports}
steps:
  - id: run
    match: {{method: GET, path: /{id}/run, query.cmd|exists: true}}
    grade: attempt
    confidence: 90
    reply: {{status: 200, body: "{word}"}}
tests:
  match:
    - {{request: "GET /{id}/run?cmd=id HTTP/1.1\\nHost: 192.0.2.1\\n\\n", step: run, reply: "{proof}"}}
  miss: ["GET / HTTP/1.1\\nHost: 192.0.2.1\\n\\n"]
"""


def lure_text(
    name: str = "hive-box",
    word: str = "buzz",
    *,
    proof: str = "",
    product: str = "hive-box",
    ports: str = "[]",
) -> str:
    """A good lure that answers ``word``; with a ``proof`` that is not in it, one whose own test fails."""
    return TEXT.format(
        id=name, name=f"The {name} runs cmd", word=word, proof=proof or word, product=product, ports=ports
    )


def write_lure(folder: Path, name: str = "hive-box", word: str = "buzz", **more: str) -> Path:
    """A lure's file, whole from the moment it is there."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.yaml"
    fresh = path.with_suffix(".new")
    fresh.write_text(lure_text(name, word, **more))
    return fresh.replace(path)
