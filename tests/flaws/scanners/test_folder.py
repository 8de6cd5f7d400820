"""A folder of templates."""

from pathlib import Path

from propolis.flaws.scanners import import_file, import_folder
from templates import TEMPLATE


def test_a_folder_is_imported_and_nothing_is_dropped(tmp_path: Path) -> None:
    (tmp_path / "demo-rce.yaml").write_text(TEMPLATE)
    (tmp_path / "none.yaml").write_text("id: none")
    seen: list[tuple[int, int]] = []
    imported = import_folder(tmp_path, lambda done, of: seen.append((done, of)))
    assert [flaw.id for flaw in imported.flaws] == ["demo-rce"]
    assert seen[-1] == (2, 2)
    assert import_file(tmp_path / "demo-rce.yaml").flaw is not None
