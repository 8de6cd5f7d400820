"""The JSON API under ``/api/v1``: all that the page shows, and all that it can do. Times are UTC nanoseconds.

====================================  =============================================================================
``GET  clock``                        mean time to defence: the :class:`~propolis.measure.Report`, and hits a second
``GET  findings``                     the latest, newest first
``GET  finding/{id}``                 one of them
``GET  evidence/{finding}/{n}``       its n-th piece of evidence: fields, hex dump and text
``GET  decisions?state=``             those in force (``active``), or that would be (``shadow``); and the mode
``GET  decision/{id}/why``            what the ledger says about it
``GET  sensors``                      every stage's last heartbeat and its age, and how soon each sensor was found
``GET  lures``                        every lure and its hits, what each sensor plays, and what is refused
``GET  novel``                        what is new and spreading: :class:`~propolis.detection.novelty.novel.Queue`
``GET  drift``                        per enforcer, how far the world was from the decisions
``GET  session``                      the CSRF token of a browser's session
``POST revoke``                       ``{"what": target or id, "reason": …}``
``POST decisions``                    ``{"target": …, "ttl_seconds": …, "reason": …, "action": "block"}``
``POST defence/arm``                  ``{"reason": …}``
``POST defence/stand-down``           ``{"reason": …}``
``POST logout``                       ends the session
====================================  =============================================================================
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from propolis.clock import SECOND
from propolis.console import gate, known
from propolis.console.body import BodyTooLargeError, read
from propolis.console.console import Console
from propolis.console.evidence import lake_question
from propolis.decisions import Action
from propolis.decisions.commands import Add, Answer, Arm, Command, Revoke, StandDown

MAX_LISTED = 1_000

Reason = Annotated[str, Meta(min_length=1, max_length=500)]


class RevokeRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``what``: a target or a decision's id."""

    what: Annotated[str, Meta(min_length=1, max_length=100)]
    reason: Reason


class AddRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Act against a target for a while."""

    target: Annotated[str, Meta(min_length=1, max_length=100)]
    ttl_seconds: Annotated[float, Meta(gt=0)]
    reason: Reason
    action: Action = "block"


class ReasonRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why."""

    reason: Reason


_Request = TypeVar("_Request", RevokeRequest, AddRequest, ReasonRequest)


class Api:
    """The handlers, over one :class:`~propolis.console.console.Console`."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def routes(self) -> Mount:
        """Everything under ``/api/v1``."""
        return Mount(
            "/api/v1",
            routes=[
                Route("/clock", self._clock),
                Route("/findings", self._findings),
                Route("/finding/{id}", self._finding),
                Route("/evidence/{id}/{number:int}", self._evidence),
                Route("/decisions", self._decisions, methods=["GET"]),
                Route("/decisions", self._add, methods=["POST"]),
                Route("/decision/{id}/why", self._why),
                Route("/sensors", self._sensors),
                Route("/lures", self._lures),
                Route("/novel", self._novel),
                Route("/drift", self._drift),
                Route("/session", self._session),
                Route("/revoke", self._revoke, methods=["POST"]),
                Route("/defence/arm", self._defence(Arm), methods=["POST"]),
                Route("/defence/stand-down", self._defence(StandDown), methods=["POST"]),
                Route("/logout", self._logout, methods=["POST"]),
            ],
        )

    async def _clock(self, _: Request) -> Response:
        board = self._console.board
        hits = {
            "connections_per_second": board.hits.connections_per_second,
            "events_per_second": board.hits.events_per_second,
            "connections": board.hits.connections,
            "events": board.hits.events,
        }
        return _json({"report": board.report(), "hits": hits})

    async def _findings(self, _: Request) -> Response:
        return _json(tuple(self._console.board.latest_findings()))

    async def _finding(self, request: Request) -> Response:
        finding = self._console.board.findings.get(request.path_params["id"])
        return _json(finding) if finding else _error(404, "no such finding among the latest")

    async def _evidence(self, request: Request) -> Response:
        finding, number = (
            self._console.board.findings.get(request.path_params["id"]),
            request.path_params["number"],
        )
        if finding is None or number >= len(finding.evidence):
            return _error(404, "no such evidence among the latest findings")
        shown = await self._console.evidence(finding, number)
        if shown is None:
            return _error(
                404, f"the stream does not keep it any more; {lake_question(finding.evidence[number].event)}"
            )
        return _json(shown)

    async def _decisions(self, request: Request) -> Response:
        board, state = self._console.board, request.query_params.get("state", "active")
        if state not in ("active", "shadow"):
            return _error(400, "state is active or shadow")
        return _json(
            {
                "mode": board.present.mode,
                "active": board.count("active"),
                "shadow": board.count("shadow"),
                "would_have_blocked": board.would_have_blocked,
                "decisions": board.decisions("active" if state == "active" else "shadow", MAX_LISTED),
                "refusals": tuple(reversed(board.refusals)),
            }
        )

    async def _novel(self, _: Request) -> Response:
        return _json(await self._console.queue())

    async def _why(self, request: Request) -> Response:
        trail = await self._console.why(request.path_params["id"])
        return _json(trail) if trail else _error(404, "the ledger has nothing about such a decision")

    async def _sensors(self, _: Request) -> Response:
        board = self._console.board
        stages = [
            {
                "health": board.health(beat),
                "age_seconds": round(board.age_seconds(beat), 3),
                "heartbeat": beat.heartbeat,
            }
            for beat in board.stages()
        ]
        return _json({"stages": stages, "exposures": board.exposures()})

    async def _lures(self, _: Request) -> Response:
        await self._console.known.refresh()
        sensors = self._console.board.stages("sensor")
        hits = known.hits(sensors)
        live = self._console.known.live
        return _json(
            {
                "lures": [known.summary(live[name], hits.get(name, 0)) for name in sorted(live)],
                "playing": known.playing(sensors),
                "refused": {**self._console.known.refused, **known.refusals(sensors)},
            }
        )

    async def _drift(self, _: Request) -> Response:
        return _json(
            [
                {
                    "enforcer": beat.heartbeat.name,
                    "health": self._console.board.health(beat),
                    "enforces": beat.heartbeat.figures.get("enforces"),
                    "active": beat.heartbeat.figures.get("active"),
                    "drift": beat.heartbeat.figures.get("drift"),
                }
                for beat in self._console.board.stages("enforcer")
            ]
        )

    async def _session(self, request: Request) -> Response:
        session = request.scope[gate.SESSION]
        if session is None:
            return _json({"by": "token"})
        now = self._console.clock.monotonic()
        return _json({"by": "password", "csrf": session.csrf, "age_seconds": (now - session.since) // SECOND})

    async def _logout(self, request: Request) -> Response:
        session = request.scope[gate.SESSION]
        if session is not None:
            self._console.sessions.end(session)
        return _json({})

    async def _revoke(self, request: Request) -> Response:
        wanted = await _wanted(request, RevokeRequest)
        if isinstance(wanted, Response):
            return wanted
        return await self._ask(Revoke(what=wanted.what, reason=wanted.reason, by=by(request)))

    async def _add(self, request: Request) -> Response:
        wanted = await _wanted(request, AddRequest)
        if isinstance(wanted, Response):
            return wanted
        return await self._ask(
            Add(
                target=wanted.target,
                ttl_seconds=wanted.ttl_seconds,
                action=wanted.action,
                reason=wanted.reason,
                by=by(request),
            )
        )

    def _defence(self, order: type[Arm] | type[StandDown]) -> Callable[[Request], Awaitable[Response]]:
        async def change(request: Request) -> Response:
            wanted = await _wanted(request, ReasonRequest)
            if isinstance(wanted, Response):
                return wanted
            return await self._ask(order(reason=wanted.reason, by=by(request)))

        return change

    async def _ask(self, command: Command) -> Response:
        """The decider's entries; 409 when it says why there are none."""
        answer: Answer = await self._console.ask(command)
        return _json(answer, 409 if answer.error else 200)


def by(request: Request) -> str:
    """Who asks, for the ledger."""
    session, whence = request.scope[gate.SESSION], request.scope[gate.CLIENT]
    return f"{'api' if session is None else 'console'} from {whence.address}"


async def _wanted(request: Request, kind: type[_Request]) -> _Request | Response:
    """The body as what it should be, or the answer that says what is wrong with it."""
    try:
        return msgspec.json.decode(await read(request), type=kind)
    except BodyTooLargeError as error:
        return _error(413, str(error))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return _error(400, str(error))


def _json(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def _error(status: int, why: str) -> Response:
    return _json({"error": why}, status)
