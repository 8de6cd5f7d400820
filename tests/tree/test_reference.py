"""The reference pages are what the code says today, and every link in the documentation leads somewhere."""

import importlib.util
import re
from functools import cache
from pathlib import Path
from types import ModuleType

import msgspec
import pytest

from propolis.config import Config
from propolis.events import KINDS

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "changelog.d").glob("*.md")])
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


@cache
def docs() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs", ROOT / "tools" / "docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["settings.md", "events.md", "notes.md", "lure.schema.json"])
def test_a_page_is_what_make_docs_writes(page: str) -> None:
    assert (ROOT / "docs" / "reference" / page).read_text(encoding="utf-8") == docs().PAGES[page](), (
        "run `make docs`"
    )


def test_every_setting_is_on_the_page() -> None:
    page = (ROOT / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")
    for section in msgspec.structs.fields(Config):
        if isinstance(section.type, type) and issubclass(section.type, msgspec.Struct):
            assert f"## `[{section.encode_name}]`" in page
            for setting in msgspec.structs.fields(section.type):
                inner = isinstance(setting.type, type) and issubclass(setting.type, msgspec.Struct)
                entry = f"[{section.encode_name}.{setting.name}]" if inner else f"| `{setting.name}` |"
                assert entry in page


def test_every_setting_says_what_it_means() -> None:
    rows = [
        line for line in docs().settings().splitlines() if line.startswith("| `") and line.endswith("|  |")
    ]
    assert rows == []


def test_every_event_and_note_is_on_its_page() -> None:
    reference = ROOT / "docs" / "reference"
    events, notes = ((reference / name).read_text(encoding="utf-8") for name in ("events.md", "notes.md"))
    assert [kind.__name__ for kind in KINDS if f"## {kind.__name__}\n" not in events] == []
    assert [kind.__name__ for kind in docs().note_classes() if f"| `{kind.__name__}` |" not in notes] == []


@pytest.mark.parametrize("document", ["README.md", "ARCHITECTURE.md", "LICENSE"])
def test_the_first_pages_are_there(document: str) -> None:
    assert (ROOT / document).is_file()


@pytest.mark.parametrize("document", [str(path.relative_to(ROOT)) for path in DOCUMENTS])
def test_every_link_leads_somewhere(document: str) -> None:
    path = ROOT / document
    text = FENCED.sub("", path.read_text(encoding="utf-8"))
    broken = []
    for match in LINK.finditer(text):
        target = match[1] or match[2]
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        file, _, anchor = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        if not there.exists() or (anchor and anchor not in anchors(there)):
            broken.append(target)
    assert broken == []


def anchors(path: Path) -> set[str]:
    """The fragments that a rendered page's headings have."""
    if path.suffix != ".md":
        return set()
    headings = re.findall(r"^#+ +(.+)$", FENCED.sub("", path.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}
