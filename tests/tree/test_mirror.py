"""The tests mirror the tree, and no module outgrows a reader."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "propolis"
MAX_LINES = 500
UNTESTED = frozenset({"__init__.py", "__main__.py", "catalogue.py"})
"""What only names others, or only starts them; ``test_catalogues.py`` loads the catalogues."""

MODULES = sorted(path.relative_to(SOURCE) for path in SOURCE.rglob("*.py"))


@pytest.mark.parametrize("module", [str(path) for path in MODULES if path.name not in UNTESTED])
def test_a_module_has_its_mirrored_test(module: str) -> None:
    path = Path(module)
    assert (ROOT / "tests" / path.parent / f"test_{path.name}").is_file()


def test_a_mirrored_test_has_its_module() -> None:
    strangers = [
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        if not (mirrored := path.relative_to(ROOT / "tests")).is_relative_to("tree")
        and not mirrored.is_relative_to("bench")
        and not (SOURCE / mirrored.parent / mirrored.name.removeprefix("test_")).is_file()
        and not (SOURCE / mirrored.parent / mirrored.stem.removeprefix("test_")).is_dir()
    ]
    assert strangers == []


@pytest.mark.parametrize("module", [*map(str, MODULES)])
def test_a_module_fits_a_reader(module: str) -> None:
    assert len((SOURCE / module).read_text(encoding="utf-8").splitlines()) <= MAX_LINES


def test_a_folder_of_modules_is_a_package() -> None:
    assert [
        str(folder.relative_to(ROOT))
        for folder in sorted({path.parent for path in SOURCE.rglob("*.py")})
        if not (folder / "__init__.py").is_file()
    ] == []


@pytest.mark.parametrize("module", [*map(str, MODULES)])
def test_a_module_is_named_by_what_is_in_it(module: str) -> None:
    assert Path(module).stem not in {
        "utils",
        "util",
        "helpers",
        "common",
        "misc",
        "manager",
        "base",
        "shared",
    }
    assert len(Path(module).parts) <= 4
