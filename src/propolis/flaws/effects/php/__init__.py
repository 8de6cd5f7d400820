"""PHP that is uploaded or injected, shown as its output: as much of the language as proofs of execution need.

Read by a parser of our own into functions that count their steps; nothing is compiled or run by anybody else. What is
not understood ends the script there, as a fatal error that is not displayed does.
"""

from propolis.flaws.effects.php.script import php

__all__ = ["php"]
