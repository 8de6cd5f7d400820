"""A folder of templates, of several scanners."""

from pathlib import Path

from propolis.flaws.scanners import import_file, import_folder
from propolis.flaws.scanners.folder import CATALOGUE, NO_TEMPLATE
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
