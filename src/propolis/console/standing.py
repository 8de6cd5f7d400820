"""Where the defence stands: shadow or armed, the decisions that are held, and what the guards refused."""

from nicegui import ui
from nicegui.events import GenericEventArguments

from propolis.clock import Clock
from propolis.console.card import Row, Table, card
from propolis.console.evidence import inert
from propolis.console.units import count, left, moment
from propolis.console.visitor import Visitor, reason_for
from propolis.decisions import EVERYWHERE, Decision, State
from propolis.decisions.commands import Arm, Revoke, StandDown

MAX_ROWS = 50
MAX_REFUSALS = 30
MAX_CELL = 140

_EMPTY = """Nothing is held against anybody.
A decision needs a finding that the policy acts on: try 'propolis drill', or 'propolis decisions add'."""

_COLUMNS = (
    ("target", "Target", "mono"),
    ("action", "Action", ""),
    ("state", "State", ""),
    ("left", "Ends in", "mono"),
    ("reason", "Reason", "cut"),
    ("by", "By", "cut"),
    ("revoke", "", ""),
)

_REVOKE = """<q-td :props="props"><q-btn flat dense no-caps color="amber-5" label="Revoke…"
  @click.stop="() => $parent.$emit('revoke', props.row.id)" /></q-td>"""


class Mode:
    """Shadow or armed, what that means, and the switch."""

    def __init__(self, visitor: Visitor) -> None:
        self._visitor = visitor
        self._board = visitor.console.board
        with ui.element("section").classes("card mode") as self._card:
            self._badge = ui.label().classes("badge").mark("mode")
            self._says = ui.label().classes("says")
            self._how = ui.label().classes("mono dim")
            self._arm = ui.button("Arm…", on_click=self._on_arm).props(
                "unelevated no-caps color=amber-7 text-color=black"
            )
            self._down = ui.button("Stand down…", on_click=self._on_down).props(
                "outline no-caps color=grey-5"
            )

    def refresh(self) -> None:
        """Show what the board says now."""
        board, mode = self._board, self._board.present.mode
        for thing in (self._card, self._badge):
            thing.classes(add=mode, remove="armed" if mode == "shadow" else "shadow")
        self._badge.set_text(mode)
        if mode == "shadow":
            blocked = count(board.would_have_blocked) if board.would_have_blocked else "nobody yet"
            active = board.count("active")
            but = f" In force by an operator's word or a drill: {count(active)}." if active else ""
            self._says.set_text(
                f"Nothing is blocked: everything is judged and written down. Would have blocked {blocked}.{but}"
            )
            self._how.set_text("propolis defence arm")
        else:
            self._says.set_text(f"Decisions are carried out: {count(board.count('active'))} in force.")
            self._how.set_text("propolis defence stand-down")
        self._arm.set_visibility(mode == "shadow")
        self._down.set_visibility(mode == "armed")

    async def _on_arm(self) -> None:
        reason = await reason_for(
            "Arm the defence?", "From now on decisions are carried out by every enforcer.", "Arm"
        )
        if reason:
            await self._visitor.ask(Arm(by=self._visitor.by, reason=reason), "Armed.")

    async def _on_down(self) -> None:
        reason = await reason_for(
            "Stand down?", "Lifts every decision in force; from then on nothing is blocked.", "Stand down"
        )
        if reason:
            await self._visitor.ask(StandDown(by=self._visitor.by, reason=reason), "Stood down.")


class Held:
    """The decisions in force, and those that would be; each can be revoked, with a reason."""

    def __init__(self, visitor: Visitor) -> None:
        self._visitor = visitor
        self._board = visitor.console.board
        self._clock: Clock = visitor.console.clock
        with card("Decisions") as self._note:
            self._table = Table(_COLUMNS, _EMPTY, classes="short decisions")
            self._table.element.add_slot("body-cell-revoke", _REVOKE)
            self._table.element.on("revoke", self._on_revoke)

    def refresh(self) -> None:
        """Show what the board says now."""
        board, now = self._board, self._clock.now()
        states: tuple[State, ...] = ("active", "shadow")
        held = [decision for state in states for decision in board.decisions(state, MAX_ROWS)][:MAX_ROWS]
        self._table.show([_row(decision, now) for decision in held])
        more = (
            f", the newest {MAX_ROWS} shown"
            if board.count("active") + board.count("shadow") > MAX_ROWS
            else ""
        )
        self._note.set_text(
            f"{count(board.count('active'))} active · {count(board.count('shadow'))} shadow{more}"
        )

    async def _on_revoke(self, event: GenericEventArguments) -> None:
        decision = self._board.present.by_id(str(event.args))
        if decision is None:
            ui.notify("That decision has ended already.", position="top")
            return
        detail = f"{decision.action} since {moment(decision.since)} UTC: {inert(decision.reason, MAX_CELL)}"
        reason = await reason_for(f"Revoke the decision about {decision.target.value}?", detail, "Revoke")
        if reason:
            order = Revoke(what=decision.id, by=self._visitor.by, reason=reason)
            await self._visitor.ask(order, f"Revoked {decision.target.value}.")


class Refusals:
    """What the guards stopped, newest first."""

    def __init__(self, visitor: Visitor) -> None:
        self._board = visitor.console.board
        self._shown: tuple[str, ...] | None = None
        with card("Refused by a guard") as self._note:
            self._list = ui.element("div").classes("list")

    def refresh(self) -> None:
        """Show what the board says now."""
        board = self._board
        newest = tuple(reversed(board.refusals))[:MAX_REFUSALS]
        shown = tuple(entry.id for entry in newest)
        if shown == self._shown:
            return
        self._shown = shown
        self._note.set_text(f"{count(board.refused.total())} in all")
        self._list.clear()
        with self._list:
            if not newest:
                ui.label(
                    "Nothing was refused. Guards keep your own networks, shared addresses and budgets safe."
                ).classes("empty")
            for entry in newest:
                with ui.element("div").classes("item"):
                    ui.label(inert(entry.target, MAX_CELL)).classes("mono")
                    ui.label(
                        f"{moment(entry.time)} · {inert(entry.guard, 40)}: {inert(entry.reason, MAX_CELL)}"
                    ).classes("dim")


def _row(decision: Decision, now: int) -> Row:
    return {
        "id": decision.id,
        "target": decision.target.value,
        "action": decision.action,
        "state": _state(decision),
        "left": left(decision.until - now),
        "reason": inert(decision.reason, MAX_CELL),
        "by": inert(decision.by, MAX_CELL),
    }


def _state(decision: Decision) -> str:
    """The state, and who alone carries it out if it is not everybody."""
    scope = "" if EVERYWHERE in decision.scope else f" ({', '.join(decision.scope)})"
    return inert(f"{decision.state}{scope}", MAX_CELL)
