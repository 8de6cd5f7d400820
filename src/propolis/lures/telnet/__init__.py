"""Telnet: a login prompt on port 23, and behind weak passwords a small shell."""

from propolis.lures.telnet.dialogue import TelnetLure

__all__ = ["TelnetLure"]
