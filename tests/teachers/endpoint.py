"""A small HTTP server on this machine that answers as endpoints do, and as they should not."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass
class Reply:
    """What the server sends."""

    body: str
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    kind: str = "application/json"


def good(asked: dict[str, Any], *, tokens: int = 10) -> Reply:
    """The last message in capitals."""
    text = asked["messages"][-1]["content"].upper()
    usage = {"prompt_tokens": tokens, "completion_tokens": tokens, "total_tokens": 2 * tokens}
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return Reply(json.dumps({"id": "x", "object": "chat.completion", "choices": [choice], "usage": usage}))


class Endpoint:
    """Answers by a script: the n-th request is given to its n-th line, and after the last all are answered well."""

    def __init__(
        self, *script: Callable[[dict[str, Any]], Reply], then: Callable[[dict[str, Any]], Reply] = good
    ) -> None:
        self.script, self.then = list(script), then
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.times: list[float] = []
        self.at_once = self.most_at_once = 0
        lock = threading.Lock()
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
                with lock:
                    endpoint.asked.append(asked)
                    endpoint.headers.append({name.lower(): value for name, value in self.headers.items()})
                    endpoint.times.append(time.monotonic())
                    endpoint.at_once += 1
                    endpoint.most_at_once = max(endpoint.most_at_once, endpoint.at_once)
                    make = endpoint.script.pop(0) if endpoint.script else endpoint.then
                reply = make(asked)
                time.sleep(reply.delay)
                with lock:
                    endpoint.at_once -= 1
                body = reply.body.encode()
                try:
                    self.send_response(reply.status)
                    for name, value in {"content-type": reply.kind, **reply.headers}.items():
                        self.send_header(name, value)
                    self.send_header("content-length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except (BrokenPipeError, ConnectionResetError):
                    pass  # the client has given up

            def log_message(self, *_arguments: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/v1"

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
