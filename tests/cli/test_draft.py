import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from installation import Installation
from lure_files import lure_text
from propolis.cli import draft
from propolis.cli.draft import _file_in, fault_of, schema, write_draft
from propolis.errors import PropolisError

CVE = "CVE-2099-0001: the hive-box before 1.2 passes the parameter cmd of /hive-box/run to a shell."


class Model(ThreadingHTTPServer):
    """Something that speaks the API: gives its answers in turn and remembers what it was asked."""

    def __init__(self, answers: list[str | int | bytes]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = answers
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        model = cast("Model", self.server)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        model.asked.append({"path": self.path, **json.loads(body)})
        model.keys.append(self.headers["Authorization"])
        answer = model.answers.pop(0)
        status = answer if isinstance(answer, int) else 200
        if isinstance(answer, str):
            answer = json.dumps({"choices": [{"message": {"role": "assistant", "content": answer}}]}).encode()
        self.send_response(status)
        self.end_headers()
        self.wfile.write(b"out of bees" if isinstance(answer, int) else answer)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def model(*answers: str | int | bytes) -> Iterator[Model]:
    with Model(list(answers)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def fenced(text: str) -> str:
    return f"<think>```yaml\nnot this\n```</think>Here it is:\n\n```yaml\n{text}```\nGood luck."


def drafted(server: Model) -> tuple[str, str]:
    with httpx.Client(base_url=server.url) as client:
        return write_draft(client, "bee-7b", CVE)


def test_a_good_draft_is_taken_as_it_is() -> None:
    with model(fenced(lure_text())) as server:
        assert drafted(server) == (lure_text(), "")
    (asked,) = server.asked
    assert (asked["path"], asked["model"]) == ("/v1/chat/completions", "bee-7b")
    system, user = asked["messages"]
    assert user["content"] == CVE
    assert '"$defs"' in system["content"]
    assert "Example:\n```yaml\nid: " in system["content"]


def test_a_bad_draft_is_mended_once_with_its_mistake_in_view() -> None:
    with model(fenced(lure_text(proof="another word")), fenced(lure_text())) as server:
        assert drafted(server) == (lure_text(), "")
    mend = server.asked[1]["messages"][-1]["content"]
    assert "draft.yaml:15: the answer does not contain 'another word'" in mend


def test_a_draft_that_stays_bad_is_given_back_with_what_is_wrong() -> None:
    with model("id: [", fenced("id: {")) as server:
        text, fault = drafted(server)
    assert text == "id: {\n"
    assert "is not YAML" in fault
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (503, "503: out of bees"),
        (b"<html>", "is no chat completion"),
        (b'{"choices": []}', "is no chat completion"),
        (b"x" * 2_000, "answers more than 1000 bytes"),
    ],
)
def test_an_api_that_does_not_answer_as_it_should_is_an_operator_s_to_mend(
    answer: int | bytes, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draft, "MAX_ANSWER_BYTES", 1_000)
    with model(answer) as server, pytest.raises(PropolisError, match=why):
        drafted(server)


def test_nobody_there_names_the_setting() -> None:
    with (
        httpx.Client(base_url="http://127.0.0.1:1") as client,
        pytest.raises(PropolisError, match=r"flaws\.draft_url"),
    ):
        write_draft(client, "bee-7b", CVE)


def test_the_schema_knows_what_a_file_may_contain() -> None:
    assert {"Flaw", "Step", "Reply", "Case"} <= set(json.loads(schema())["$defs"])


def test_a_file_without_a_fence_is_a_file() -> None:
    assert _file_in("\nid: x\n") == "id: x\n"
    assert fault_of("id: x\n") != ""


def settings(idle: Installation, server: Model) -> None:
    (idle.folder / "api.key").write_text("sesame\n")
    idle.path.write_text(
        idle.path.read_text()
        + f'[flaws]\ndraft_url = "{server.url}"\ndraft_model = "bee-7b"\ndraft_key = "api.key"\n'
    )


@pytest.mark.xdist_group("installation")
def test_the_command_writes_a_file_and_pushes_nothing(idle: Installation, tmp_path: Path) -> None:
    (idle.folder / "cve.txt").write_text(CVE)
    with model(fenced(lure_text())) as server:
        settings(idle, server)
        words = idle.say("lures", "draft", "cve.txt")
    assert server.keys == ["Bearer sesame"]
    assert "hive-box.yaml: its tests hold. Read it, then" in words
    assert idle.say("lures", "test", "hive-box.yaml") == "All tests hold.\n"


@pytest.mark.xdist_group("installation")
def test_a_draft_that_is_not_good_is_kept_and_said_so(idle: Installation) -> None:
    (idle.folder / "cve.txt").write_text(CVE)
    with model("id: [", "id: [") as server:
        settings(idle, server)
        done = idle.run("lures", "draft", "cve.txt", "--out", "mine.yaml")
    assert done.returncode == 1
    assert "mine.yaml: written, but it is not good yet" in done.stdout
    assert (idle.folder / "mine.yaml").read_text() == "id: [\n"


@pytest.mark.xdist_group("installation")
def test_without_a_model_the_setting_is_named(idle: Installation) -> None:
    (idle.folder / "cve.txt").write_text(CVE)
    assert "flaws.draft_url: is empty" in idle.mistake("lures", "draft", "cve.txt")
    assert "cannot be read" in idle.mistake("lures", "draft", "none.txt")
