"""What a command is given, and what it gives back."""

from collections.abc import Callable
from typing import TypeAlias

import msgspec

from propolis.machine.machine import Machine

MAX_OUTPUT_CHARS = 65_536
"""Of one line of commands."""


class Outcome(msgspec.Struct, frozen=True):
    """What a command printed, and its exit status."""

    out: str = ""
    err: str = ""
    status: int = 0


Run: TypeAlias = Callable[[Machine, list[str], str], Outcome]
"""A command: the machine, its words without its own name, and what is piped into it."""


def plain(words: list[str]) -> list[str]:
    """The words that are no options."""
    return [word for word in words if not word.startswith("-")]


def flags(words: list[str]) -> str:
    """The letters of all options."""
    return "".join(word.lstrip("-") for word in words if word.startswith("-"))


def say(text: Callable[[Machine], object]) -> Run:
    """A command that prints one thing, whatever it is asked."""
    return lambda machine, _, __: Outcome(f"{text(machine)}\n")


def exits(status: int) -> Run:
    """A command that prints nothing."""
    return lambda _, __, ___: Outcome(status=status)


def read(machine: Machine, name: str, paths: list[str], given: str) -> Outcome:
    """What the command of that name reads: files, or the pipe if it is told none; its complaints are on ``err``."""
    out, err = "" if paths else given, ""
    for word in paths:
        path = machine.resolve(word)
        text = given if word == "-" else machine.text_of(path)
        if text is not None:
            out = (out + text)[:MAX_OUTPUT_CHARS]
        elif machine.names_in(path) is not None:
            err += f"{name}: {word}: Is a directory\n"
        elif not machine.may_read(path):
            err += f"{name}: {word}: Permission denied\n"
        else:
            err += f"{name}: {word}: No such file or directory\n"
    return Outcome(out, err[:MAX_OUTPUT_CHARS], 1 if err else 0)
