"""HTTP: the web server a scanner expects on a fresh Debian host."""

from propolis.lures.http.dialogue import HttpLure
from propolis.lures.http.front import WebLure

__all__ = ["HttpLure", "WebLure"]
