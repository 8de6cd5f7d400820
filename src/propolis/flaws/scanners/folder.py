"""A folder of scanner templates, of whatever scanner each of them is."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec

from propolis.flaws.file import Flaw
from propolis.flaws.scanners import afrog, nuclei, vpatch
from propolis.flaws.scanners.document import TemplateError, load
from propolis.flaws.scanners.imported import Imported, Refused, Study, gather
from propolis.flaws.scanners.share import share
from propolis.flaws.scanners.study import study as play_through
from propolis.flaws.scanners.template import Template

MAX_FILES = 50_000
ENDINGS = (".yaml", ".yml")
NO_TEMPLATE: Final = "is not a template of HTTP requests"

Progress: TypeAlias = Callable[[int, int], None]
"""Called with how many files are done, and of how many."""


class Scanner(msgspec.Struct, frozen=True):
    """A format of files: whether a file's data are of it, and what comes of them; ``study`` may raise TemplateError."""

    is_one: Callable[[Mapping[str, Any]], bool]
    study: Callable[[Mapping[str, Any], str], Study]


def _played(read: Callable[[Mapping[str, Any]], Template]) -> Callable[[Mapping[str, Any], str], Study]:
    """Of a format that says what a scanner wants to see: its reader is all that is its own."""
    return lambda tree, name: play_through(read(tree), name)


CATALOGUE: Final[tuple[Scanner, ...]] = (
    Scanner(vpatch.is_one, vpatch.study),
    Scanner(afrog.is_one, _played(afrog.read)),
    Scanner(nuclei.is_one, _played(nuclei.read)),
)
"""Every format there is; the first that a file is of reads it."""


def import_folder(path: Path, progress: Progress = lambda _done, _of: None) -> Imported:
    """Every template in a folder and those below it, in the order of their names.

    The result is the same for the same files. Raises ``OSError`` for a folder that cannot be read; a file that cannot
    be is in the report.
    """
    files = sorted(file for file in path.rglob("*") if file.suffix in ENDINGS and file.is_file())[:MAX_FILES]
    return gather(share(_studies(files, progress)))


def import_file(path: Path) -> Study:
    """One template's flaw, and whether its scanner would believe it."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return Study(path.stem, None, "cannot be read", str(error))
    return study(text, path.stem)


def import_template(text: str, name: str) -> Flaw | Refused:
    """The flaw of a template's text, ``name`` its file's without ending; also one that its scanner will not believe."""
    found = study(text, name)
    return found.flaw if found.flaw is not None else Refused(found.verdict, found.why)


def study(text: str, name: str) -> Study:
    """What comes of a file's text, ``name`` its file's without ending."""
    try:
        tree = load(text)
        scanner = next((one for one in CATALOGUE if one.is_one(tree)), None)
        if scanner is not None:
            return scanner.study(tree, name)
    except TemplateError as error:
        return Study(name, None, NO_TEMPLATE, str(error))
    return Study(name, None, NO_TEMPLATE, "is of no scanner that is known")


def _studies(files: Sequence[Path], progress: Progress) -> Iterator[Study]:
    for done, file in enumerate(files, 1):
        yield import_file(file)
        progress(done, len(files))
