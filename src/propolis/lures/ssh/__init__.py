"""SSH, as Debian's sshd speaks it."""

from propolis.lures.ssh.lure import SshLure

__all__ = ["SshLure"]
