"""A folder of scanner templates, of whatever scanner each of them is."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from propolis.flaws.scanners import nuclei
from propolis.flaws.scanners.imported import Imported, Study, gather

MAX_FILES = 50_000
ENDINGS = (".yaml", ".yml")

Progress: TypeAlias = Callable[[int, int], None]
"""Called with how many files are done, and of how many."""


def import_folder(path: Path, progress: Progress = lambda _done, _of: None) -> Imported:
    """Every template in a folder and those below it, in the order of their names.

    The result is the same for the same files. Raises ``OSError`` for a folder that cannot be read; a file that cannot
    be is in the report.
    """
    files = sorted(file for file in path.rglob("*") if file.suffix in ENDINGS and file.is_file())[:MAX_FILES]
    return gather(_studies(files, progress))


def import_file(path: Path) -> Study:
    """One template's flaw, and whether its scanner would believe it."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return Study(path.stem, None, "cannot be read", str(error))
    return nuclei.study(text, path.stem)


def _studies(files: Sequence[Path], progress: Progress) -> Iterator[Study]:
    for done, file in enumerate(files, 1):
        yield import_file(file)
        progress(done, len(files))
