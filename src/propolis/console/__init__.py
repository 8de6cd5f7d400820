"""CONSOLE: the page and the API in front of people."""

from propolis.console.password import api_token, first_password

__all__ = ["api_token", "first_password"]
