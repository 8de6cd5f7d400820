"""How a pushed rule travels, and the word that lifts its trial: the file's text, then who vouches for it and why.

A promoted rule is one more version of the same text, with the promotion behind it, so the versions that are kept of a
rule say who promoted it, when, for what reason, and what its back-test had found.
"""

import hashlib

import msgspec

from propolis.errors import CodecError

SEPARATOR = "\n--- # promoted\n"
"""Between the text and the promotion; a rule file is one YAML document, so it has no such line."""

_DIGEST_BYTES = 16


class Backtested(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a back-test came to: over how many ``events``, and how many ``benign`` requests of which some fitted."""

    events: int
    findings: int
    sources: int
    benign: int = 0
    benign_found: int = 0


class Promotion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who lifted the trial of a rule, when (UTC nanoseconds), why, and on what evidence."""

    by: str
    made: int
    reason: str
    backtested: Backtested


def join(text: str, promotion: Promotion | None) -> str:
    """A rule's text as it travels."""
    return (
        text
        if promotion is None
        else text.rstrip("\n") + SEPARATOR + msgspec.json.encode(promotion).decode() + "\n"
    )


def split(text: str) -> tuple[str, Promotion | None]:
    """A rule's text, and its promotion if it has one. Raises :class:`~propolis.errors.CodecError` for half of one."""
    rule, separator, said = text.partition(SEPARATOR)
    if not separator:
        return text, None
    try:
        return rule + "\n", msgspec.json.decode(said, type=Promotion)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise CodecError("promotion", f"after {len(rule)} characters", str(error)) from error


def digest(text: str) -> str:
    """32 hex digits that name the text of a rule file, however it ends."""
    return hashlib.blake2b(text.rstrip("\n").encode(), digest_size=_DIGEST_BYTES).hexdigest()
