"""A folder of templates, of several scanners."""

import zlib
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from propolis.flaws.scanners import import_file, import_folder
from propolis.flaws.scanners.folder import CATALOGUE, NO_TEMPLATE, study
from propolis.flaws.scanners.imported import ANSWERED
from templates import AFROG, TEMPLATE, VPATCH


def test_a_mixed_folder_is_imported_and_nothing_is_dropped(tmp_path: Path) -> None:
    (tmp_path / "demo-rce.yaml").write_text(TEMPLATE)
    (tmp_path / "none.yaml").write_text("id: none")
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "demo-afrog.yaml").write_text(AFROG)
    (tmp_path / "below" / "demo-vpatch.yml").write_text(VPATCH)
    seen: list[tuple[int, int]] = []
    imported = import_folder(tmp_path, lambda done, of: seen.append((done, of)))
    assert {flaw.id for flaw in imported.flaws} == {"demo-rce", "demo-afrog", "demo-vpatch"}
    assert imported.believed == ("demo-afrog", "demo-rce")
    assert imported.report == {NO_TEMPLATE: ("none",), ANSWERED: ("demo-vpatch",)}
    assert imported.templates == 4
    assert seen[-1] == (4, 4)
    assert import_file(tmp_path / "demo-rce.yaml").flaw is not None


def test_every_format_is_of_one_scanner() -> None:
    assert len(CATALOGUE) == len({scanner.is_one for scanner in CATALOGUE}) == 3


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe")
    assert import_file(tmp_path / "binary.yaml").verdict == "cannot be read"


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from((TEMPLATE, AFROG, VPATCH)),
    st.lists(
        st.tuples(st.integers(0, 2_000), st.integers(0, 12), st.text(max_size=6)), min_size=1, max_size=4
    ),
)
def test_no_file_raises(text: str, changes: list[tuple[int, int, str]]) -> None:
    for place, width, new in changes:
        at = place % len(text)
        text = text[:at] + new + text[at + width :]
    found = study(text, f"changed-{zlib.crc32(text.encode('utf-8', 'replace'))}")
    assert found.flaw is not None or found.verdict
