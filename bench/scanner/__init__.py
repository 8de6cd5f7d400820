"""An independent scanner: runs nuclei v3 HTTP templates, and afrog's, and says what the scanner would say.

Written after the scanner's public reference, and sharing no code with the import of templates in
``propolis.flaws.scanners``: it is the other opinion that the import is measured against. Third parties are never
contacted: a template that needs one is told apart (:func:`needs_third_party`).
"""

from bench.scanner.afrog import Afrog, afrog_needs_third_party, read_afrog, scan_afrog
from bench.scanner.scan import Run, Turn, Verdict, inputs, scan
from bench.scanner.template import Block, Extractor, Matcher, Template, TemplateError, read
from bench.scanner.third_party import needs_third_party

__all__ = [
    "Afrog",
    "Block",
    "Extractor",
    "Matcher",
    "Run",
    "Template",
    "TemplateError",
    "Turn",
    "Verdict",
    "afrog_needs_third_party",
    "inputs",
    "needs_third_party",
    "read",
    "read_afrog",
    "scan",
    "scan_afrog",
]
