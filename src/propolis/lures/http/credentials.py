"""User names and passwords in HTTP requests: the Basic scheme (RFC 7617) and the forms of common login pages."""

import binascii
import re
from urllib.parse import parse_qsl

import msgspec

from propolis.events import CredentialTried

FORM_BYTES = 16_384
"""A longer body is no login form."""
FORM_FIELDS = 64
KEPT = 1_024
"""How much of a name, a secret and the bytes that held them an event keeps."""

_LOGIN_PATH = re.compile(
    rb"(?i)log[io]n|sign[-_]?in|auth|session|admin|passw|user|account|token|index\.(?:php|asp)|/api/|/$"
)
_USER = frozenset(
    (
        "account",
        "email",
        "id",
        "j_username",
        "log",
        "login",
        "loginname",
        "name",
        "uid",
        "user",
        "user_name",
        "username",
    )
)
_SECRET = frozenset(
    (
        "j_password",
        "pass",
        "passwd",
        "passwort",
        "password",
        "psd",
        "psw",
        "pswd",
        "pw",
        "pwd",
        "secret",
        "userpassword",
    )
)


def basic(value: bytes) -> CredentialTried | None:
    """What an ``Authorization`` header offers in the Basic scheme."""
    scheme, _, token = value.partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        text = binascii.a2b_base64(token.strip() + b"==").decode(errors="backslashreplace")
    except binascii.Error:
        return None
    username, _, secret = text.partition(":")
    return _tried(username, secret, "basic", value)


def form(target: bytes, kind: bytes, content: bytes) -> CredentialTried | None:
    """What a body posted to a login page offers, as form fields (WHATWG URL, 5) or one JSON object.

    ``target`` is the request target, ``kind`` the ``Content-Type``; a body of another kind is tried as a form.
    """
    if len(content) > FORM_BYTES or not _LOGIN_PATH.search(target.partition(b"?")[0]):
        return None
    found = _json(content) if b"json" in kind.lower() or content.startswith(b"{") else _urlencoded(content)
    secret = next((value for key, value in found.items() if key in _SECRET), None)
    if secret is None:
        return None
    username = next((value for key, value in found.items() if key in _USER), "")
    return _tried(username, secret, "form", content)


def _tried(username: str, secret: str, method: str, raw: bytes) -> CredentialTried:
    return CredentialTried(username[:KEPT], secret[:KEPT], method, payload=raw[:KEPT])


def _urlencoded(content: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(content.decode("latin-1"), keep_blank_values=True, max_num_fields=FORM_FIELDS)
    except ValueError:
        return {}
    return {key.lower().strip(): value for key, value in pairs}


def _json(content: bytes) -> dict[str, str]:
    try:
        found = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {key.lower(): value for key, value in found.items() if isinstance(value, str)}
