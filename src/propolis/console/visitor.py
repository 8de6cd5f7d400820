"""Whoever looks at the page: may they, and what they ask of the decider with a reason."""

import msgspec
from nicegui import ui

from propolis.console.console import Console
from propolis.console.evidence import inert
from propolis.console.session import Session
from propolis.decisions.commands import Command

MAX_REASON = 500


class Visitor(msgspec.Struct, frozen=True):
    """One page in one browser."""

    console: Console
    session: Session

    @property
    def by(self) -> str:
        """How the ledger names them."""
        return f"console from {self.session.address}"

    def is_in(self) -> bool:
        """Whether they are still logged in."""
        return self.console.sessions.use(self.session.key) is not None

    def leave(self) -> None:
        """Log out, and show the way in again."""
        self.console.sessions.end(self.session)
        ui.navigate.to("/login")

    async def ask(self, command: Command, done: str) -> None:
        """Put a command to the decider and say what came of it."""
        if not self.is_in():
            self.leave()
            return
        answer = await self.console.ask(command)
        if answer.error:
            ui.notify(inert(answer.error, 300), type="warning", position="top")
        else:
            ui.notify(done, type="positive", position="top")


async def reason_for(question: str, detail: str, act: str) -> str | None:
    """Ask why. The reason, or None if they thought better of it."""
    with ui.dialog() as dialog, ui.element("div").classes("card"):
        ui.label(question).classes("heading")
        ui.label(detail).classes("dim")
        reason = ui.input("Reason, for the ledger").props(f"dark outlined autofocus maxlength={MAX_REASON}")
        reason.classes("reason").mark("reason")

        def give() -> None:
            text = reason.value.strip()
            if text:
                dialog.submit(text)
            else:
                reason.props("error error-message='A reason is needed'")

        reason.on("keydown.enter", give)
        with ui.element("div").classes("buttons"):
            ui.button("Cancel", on_click=lambda: dialog.submit(None)).props("flat no-caps color=grey-5")
            ui.button(act, on_click=give).props("unelevated no-caps color=amber-7 text-color=black").mark(
                "confirm"
            )
    given = await dialog
    dialog.delete()
    return given if isinstance(given, str) else None
