"""TCP: any port for which there is no dialogue; it listens, and says nothing."""

from propolis.lures.tcp.dialogue import TcpLure

__all__ = ["TcpLure"]
