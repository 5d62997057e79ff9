"""`python -m hilbench.targets.farm.keeper --fd=N --coordinator=HOST:PORT`: holds a place of a farm while a run lasts.

labgrid's coordinator leaves a place with its user when that user's connection ends. So this process ends after the run
that started it, however that ends: it lets go of the place, and of nothing that somebody acquired by hand.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from hilbench.errors import HilbenchError, TargetError, Unavailable
from hilbench.targets.debug.wire import Channel, Message, error_message

if TYPE_CHECKING:
    from hilbench.targets.farm.session import Session

END_S = 12.0
"""Who let go of nothing within this time never will: a coordinator that does not answer, or a power switch."""


def main() -> None:
    """Answer requests until the other end closes, and let go of what is held."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--coordinator", required=True)
    options = parser.parse_args()
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr, format="%(message)s")
    asyncio.run(_keep(socket.socket(fileno=options.fd), options.coordinator))


async def _keep(connection: socket.socket, coordinator: str) -> None:
    loop = asyncio.get_running_loop()
    for end in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(end, connection.shutdown, socket.SHUT_RDWR)
    channel = Channel(connection)
    session = None
    try:
        session = await _connected(coordinator)
        channel.send({"ready": True})
        watching = loop.create_task(_watch(session, channel))
        await _serve(session, channel)
        watching.cancel()
    except EOFError:
        pass
    except HilbenchError as error:
        with contextlib.suppress(EOFError):
            channel.send(error_message(error))
    signal.alarm(int(END_S) + 1)  # also where a thread hangs in a power switch that does not answer
    if session is not None:
        await session.close()
    os._exit(0)


async def _connected(coordinator: str) -> Session:
    try:
        from hilbench.targets.farm.session import Session
    except Exception as error:  # an old labgrid, or a library of it that does not fit
        raise Unavailable(
            f"labgrid cannot be loaded: {type(error).__name__}: {error}", hint="pip install -U 'hilbench[farm]'"
        ) from error
    return await Session.connected(coordinator)


async def _watch(session: Session, channel: Channel) -> None:
    """Say once when what is held is not ours any more."""
    with contextlib.suppress(EOFError):
        channel.send({"lost": await session.lost()})


async def _serve(session: Session, channel: Channel) -> None:
    """Answer one request after the other; the end of the channel stops the one that is under way."""
    receiving = _received(channel)
    while True:
        message, _ = await receiving
        receiving = _received(channel)
        answering = asyncio.ensure_future(_answer(session, message, channel))
        either: set[asyncio.Future[Any]] = {answering, receiving}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not answering.done():
            answering.cancel()
            return
        channel.send(answering.result())


def _received(channel: Channel) -> asyncio.Future[tuple[Message, bytes]]:
    return asyncio.ensure_future(asyncio.to_thread(channel.receive))


async def _answer(session: Session, message: Message, channel: Channel) -> Message:
    what = str(message.pop("do"))
    try:
        return {"result": await _REQUESTS[what](session, message, channel.send)}
    except HilbenchError as error:
        return error_message(error)
    except Exception as error:  # of labgrid, of which many kinds are raised
        return error_message(TargetError(f"labgrid fails at '{what}': {type(error).__name__}: {error}"))


_REQUESTS: dict[str, Callable[[Session, Message, Callable[[Message], None]], Awaitable[Any]]] = {
    "places": lambda session, message, tell: session.places(),
    "acquire": lambda session, message, tell: session.acquire(message["place"], message["wait_s"], tell),
    "line": lambda session, message, tell: session.line(message["name"], message["within_s"]),
    "switch": lambda session, message, tell: session.switch(message["action"], message["off_s"]),
}


if __name__ == "__main__":
    main()
