"""The page: NiceGUI, its assets from its own wheel, nothing from elsewhere.

It is built empty and filled over the WebSocket, so no attacker's word is ever in its HTML
(:mod:`propolis.console.gate` relies on that).
"""

from nicegui import ui
from starlette.applications import Starlette
from starlette.requests import Request

from propolis.clock import rfc3339
from propolis.console import gate
from propolis.console.card import MARK
from propolis.console.console import Console
from propolis.console.fleet import Fleet
from propolis.console.found import Found
from propolis.console.hero import Hero
from propolis.console.lures import Lures
from propolis.console.novel import New
from propolis.console.rules import Rules
from propolis.console.standing import Held, Mode, Refusals
from propolis.console.visitor import Visitor

REFRESH_SECONDS = 1.0
NOVEL_SECONDS = 2.0
"""The queue is a message of up to a megabyte, and changes every five seconds."""
HONEY = "#f0b429"
FAVICON = MARK.replace("<svg ", f'<svg xmlns="http://www.w3.org/2000/svg" fill="{HONEY}" ')

# When the session is over (logged out elsewhere, expired, or the console was started anew) the WebSocket is refused,
# and nothing that goes over it can say so.
_WATCH = """<script>
  setInterval(async () => {
    const answer = await fetch("/api/v1/session").catch(() => null);
    if (answer?.status === 401) location.href = "/login";
  }, 2000);
</script>"""


def mount(app: Starlette, console: Console) -> None:
    """Put the page under ``/``. NiceGUI lives once in a process, so call it once."""

    @ui.page("/")
    def page(request: Request) -> None:
        Page(Visitor(console, request.scope[gate.SESSION]))

    @ui.page("/lures")
    def lures(request: Request) -> None:
        LuresPage(Visitor(console, request.scope[gate.SESSION]))

    @ui.page("/novel")
    def novel(request: Request) -> None:
        NovelPage(Visitor(console, request.scope[gate.SESSION]))

    @ui.page("/rules")
    def rules(request: Request) -> None:
        RulesPage(Visitor(console, request.scope[gate.SESSION]))

    ui.run_with(
        app,  # type: ignore[arg-type]  # it asks for no more than a Starlette application has
        title="Propolis",
        favicon=FAVICON,
        dark=True,
        tailwind=False,
        gzip_middleware_factory=None,
        show_welcome_message=False,
        binding_refresh_interval=None,
    )


class Head:
    """The top of every page: where we are, who we are, whether the stream is there, and the way out."""

    def __init__(self, visitor: Visitor) -> None:
        self._visitor = visitor
        self._console = visitor.console
        ui.add_head_html('<link rel="stylesheet" href="/console.css">')
        ui.add_head_html(_WATCH)
        ui.colors(primary=HONEY, dark_page="#0d1015")
        with ui.element("header").classes("top"):
            ui.html(MARK, sanitize=False)  # our own drawing
            ui.label("Propolis").classes("name")
            ui.label(self._console.config.host_name).classes("dim mono")
            ui.link("Defence", "/").classes("way")
            ui.link("Lures", "/lures").classes("way")
            ui.link("New", "/novel").classes("way")
            ui.link("Rules", "/rules").classes("way")
            self._stream = ui.label().classes("badge")
            self._time = ui.label().classes("faint mono push")
            ui.button("Log out", on_click=self._visitor.leave).props("flat dense no-caps color=grey-5")

    def refresh(self) -> bool:
        """Show what is so now; false, and the page goes, if the visitor is not logged in any more."""
        if not self._visitor.is_in():
            self._visitor.leave()
            return False
        is_up = self._console.stream.client.is_connected
        self._stream.set_text("stream" if is_up else "stream lost")
        self._stream.classes(add="up" if is_up else "lost", remove="lost" if is_up else "up")
        self._time.set_text(f"{rfc3339(self._console.clock.now())[:19].replace('T', ' ')} UTC")
        return True


class Page:
    """One browser's page of the defence."""

    def __init__(self, visitor: Visitor) -> None:
        console = visitor.console
        self._head = Head(visitor)
        mode = Mode(visitor)
        hero = Hero(console.board)
        with ui.element("div").classes("grid"):
            found = Found(console)
        with ui.element("div").classes("grid wide"):
            held = Held(visitor)
            refusals = Refusals(visitor)
        self._sections = (mode, hero, found, held, refusals, Fleet(console.board))
        ui.timer(REFRESH_SECONDS, self._refresh)

    def _refresh(self) -> None:
        if self._head.refresh():
            for section in self._sections:
                section.refresh()


class LuresPage:
    """One browser's page of the lures."""

    def __init__(self, visitor: Visitor) -> None:
        self._head = Head(visitor)
        self._lures = Lures(visitor.console)
        ui.timer(REFRESH_SECONDS, self._refresh)

    async def _refresh(self) -> None:
        if self._head.refresh():
            await self._lures.refresh()


class NovelPage:
    """One browser's page of what is new and spreading."""

    def __init__(self, visitor: Visitor) -> None:
        self._head = Head(visitor)
        self._new = New(visitor.console)
        ui.timer(NOVEL_SECONDS, self._refresh)

    async def _refresh(self) -> None:
        if self._head.refresh():
            await self._new.refresh()


class RulesPage:
    """One browser's page of the rules."""

    def __init__(self, visitor: Visitor) -> None:
        self._head = Head(visitor)
        self._rules = Rules(visitor.console)
        ui.timer(REFRESH_SECONDS, self._refresh)

    async def _refresh(self) -> None:
        if self._head.refresh():
            await self._rules.refresh()
