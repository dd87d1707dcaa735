"""Serves the page: what may be asked for, by whom, and until when."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from limbeck.demo.page import CSS, load_gradio
from limbeck.errors import LimbeckError

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

MOST_BYTES = 1 << 16
"""Of a request; a caption of the greatest length needs a few thousand."""

OPEN = re.compile(
    r"/(config/?|theme\.css|favicon\.ico|manifest\.json|robots\.txt|(assets|static)/.+"
    r"|gradio_api/(startup-events|app_id|info/?|theme\.css|reset/?|cancel|queue/(join|data)/?|heartbeat/[^/]+))?"
)
"""The paths that the page itself asks for. Gradio has more, among them ones that read files and take uploads."""

HEADERS = {
    # The browser, too, is to fetch nothing from elsewhere. Gradio's own scripts stand in the page and use `eval`.
    "content-security-policy": "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; object-src 'none'; "
    "base-uri 'self'; form-action 'self'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


class Gate:
    """Lets through what the page needs, and nothing else.

    Args:
        inner: The application behind it.
    """

    def __init__(self, inner: Application) -> None:
        self.inner = inner

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request of ASGI."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.inner(scope, receive, send)
            return
        refused = _refused(scope)
        if refused:
            headers = [(b"content-type", b"text/plain"), (b"connection", b"close")]
            await send({"type": "http.response.start", "status": refused, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                message = {**message, "headers": [*message.get("headers", []), *own]}
            await send(message)

        await self.inner(scope, receive, guarded)


def _refused(scope: Message) -> int:
    """The status of a refusal; 0 where there is none."""
    if not OPEN.fullmatch(scope["path"]):
        return 404
    if scope["method"] in ("GET", "HEAD"):
        return 0
    lengths = [value for name, value in scope["headers"] if name == b"content-length"]
    if len(lengths) != 1 or not lengths[0].isdigit():
        return 411
    return 413 if int(lengths[0]) > MOST_BYTES else 0


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address.

    Example:
        >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
        (True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def listen(host: str, port: int) -> socket.socket:
    """A socket that takes connections, before models are loaded in vain.

    Args:
        host: A name or an address.
        port: A port; 0 takes any that is free.

    Raises:
        LimbeckError: There is no such address here, or the port is taken or not allowed.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (socket.gaierror, UnicodeError) as error:
        raise LimbeckError(f"--host: got {host!r}, no address of this machine ({error})") from None
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(64)
    except OSError as error:
        listener.close()
        raise LimbeckError(f"--host {host} --port {port}: {error.strerror}; try another") from None
    return listener


def address_of(listener: socket.socket) -> str:
    """What to type into a browser."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(page: Any, listener: socket.socket) -> None:
    """Serve the page until the user interrupts.

    Args:
        page: As :func:`~limbeck.demo.page.build_page` makes it.
        listener: Where it is served.

    Raises:
        KeyboardInterrupt: The user interrupted.
    """
    gr = load_gradio()
    import uvicorn
    from fastapi import FastAPI

    host, port = listener.getsockname()[:2]
    fonts = ["system-ui", "sans-serif"], ["ui-monospace", "monospace"]
    inner = gr.mount_gradio_app(
        FastAPI(docs_url=None, redoc_url=None, openapi_url=None),
        page,
        path="/",
        server_name=host,
        server_port=port,
        footer_links=[],
        run_history=False,
        show_error=False,
        max_file_size=1,
        ssr_mode=False,
        enable_monitoring=False,
        mcp_server=False,
        pwa=False,
        theme=gr.themes.Default(font=fonts[0], font_mono=fonts[1]),
        css=CSS,
    )
    # A browser keeps a connection open as long as the page is; it shall not hold up the end.
    config = uvicorn.Config(
        Gate(inner), log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=1
    )
    uvicorn.Server(config).run(sockets=[listener])
