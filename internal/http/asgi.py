"""The types of ASGI messages and applications, and of a request to any handler."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from litestar import Request

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Header = tuple[bytes, bytes]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

ApiRequest = Request[Any, Any, Any]
