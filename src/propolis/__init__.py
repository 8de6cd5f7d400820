"""Propolis: decoys that attackers believe, and a defence that follows in milliseconds."""

__version__ = "0.1.0"
