"""Scanner templates as lures: what a scanner asks for, answered so that it believes what it sees."""

from propolis.flaws.scanners.folder import import_file, import_folder, import_template
from propolis.flaws.scanners.imported import BELIEVED, THIRD_PARTY, Imported, Refused, Study

__all__ = [
    "BELIEVED",
    "THIRD_PARTY",
    "Imported",
    "Refused",
    "Study",
    "import_file",
    "import_folder",
    "import_template",
]
