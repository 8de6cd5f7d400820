"""HTTP: the web server a scanner expects on a fresh Debian host."""

from propolis.lures.http.dialogue import HttpLure

__all__ = ["HttpLure"]
