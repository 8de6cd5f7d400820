"""The way in: one password, few attempts, a cookie that scripts cannot read."""

import asyncio
import math
from html import escape
from pathlib import Path
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from propolis.console import gate
from propolis.console.body import BodyTooLargeError, read
from propolis.console.console import Console
from propolis.console.password import fits, read_password
from propolis.console.session import LIFE_SECONDS
from propolis.errors import ConfigError

MAX_WAITING = 8
"""Passwords waiting to be checked, one at a time: each costs 32 MiB and some 70 ms."""

_STYLE = Path(__file__).with_name("console.css").read_bytes()
_FORM = Path(__file__).with_name("login.html").read_text("utf-8")


class Login:
    """Checks passwords one after the other, so that nobody guesses in parallel."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._turn = asyncio.Lock()
        self._waiting = 0

    def routes(self) -> list[Route]:
        """``/login``, and the style sheet it shares with the page."""
        return [
            Route("/login", self._form, methods=["GET"]),
            Route("/login", self._try, methods=["POST"]),
            Route("/console.css", _style, methods=["GET"]),
        ]

    async def _form(self, request: Request) -> Response:
        """The form; somebody who is logged in already goes to the page."""
        whence: gate.Whence = request.scope[gate.CLIENT]
        if self._console.sessions.by_cookie(request.cookies.get(whence.cookie, "")):
            return RedirectResponse("/", 303)
        return form()

    async def _try(self, request: Request) -> Response:
        """A password; right: a session and on to the page, wrong: the form again, after a while only."""
        whence: gate.Whence = request.scope[gate.CLIENT]
        try:
            fields = parse_qs((await read(request)).decode("utf-8", "replace"), max_num_fields=8)
        except (BodyTooLargeError, ValueError):
            return form("That was no password.", 400)
        if self._waiting >= MAX_WAITING:
            return wait(1.0)
        self._waiting += 1
        try:
            async with self._turn:
                return await self._check(whence, fields.get("password", [""])[0].strip())
        finally:
            self._waiting -= 1

    async def _check(self, whence: gate.Whence, password: str) -> Response:
        console = self._console
        pause = console.attempts.pause(whence.address, console.clock.monotonic())
        if pause:
            return wait(pause)
        try:
            kept = read_password(console.config.state)
        except ConfigError:
            return form(
                "There is no password yet: `propolis up` makes it at its first start, and shows it.", 503
            )
        if not await asyncio.to_thread(fits, password, kept):
            console.attempts.failed(whence.address, console.clock.monotonic())
            return form("That is not the password.", 403)
        console.attempts.succeeded(whence.address)
        cookie, _ = console.sessions.open(whence.address)
        answer = RedirectResponse("/", 303)
        answer.set_cookie(
            whence.cookie,
            cookie,
            max_age=LIFE_SECONDS,
            httponly=True,
            samesite="strict",
            secure=whence.scheme == "https",
        )
        return answer


def form(message: str = "", status: int = 200) -> Response:
    """The login form with a word of ours above it."""
    return HTMLResponse(_FORM.replace("{message}", escape(message)), status)


def wait(seconds: float) -> Response:
    """Too many attempts (RFC 6585, 4)."""
    whole = max(1, math.ceil(seconds))
    answer = form(f"Too many attempts: wait {whole} s, then try again.", 429)
    answer.headers["Retry-After"] = str(whole)
    return answer


async def _style(_: Request) -> Response:
    return Response(_STYLE, media_type="text/css")
