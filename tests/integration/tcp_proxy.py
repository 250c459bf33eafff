"""A TCP proxy that can cut, hold and count: what a network does to a connection."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit


class TcpProxy:
    """Forwards to one address until told otherwise."""

    def __init__(self, target: str) -> None:
        address = urlsplit(target)
        self._host, self._port = address.hostname, address.port
        self._writers: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._cut_after_bytes: int | None = None
        self.endpoint = ""
        self.connections = 0
        self.forwarded_bytes = 0  # from the client to the target

    def cut(self) -> None:
        """Reset every connection, in the middle of whatever is on its way."""
        for writer in list(self._writers):
            writer.transport.abort()

    def cut_after(self, forwarded_bytes: int) -> None:
        """Reset every connection once so many more bytes went to the target."""
        self._cut_after_bytes = self.forwarded_bytes + forwarded_bytes

    def hold(self) -> None:
        """Let nothing through, without a word to either side."""
        self._flowing.clear()

    def release(self) -> None:
        self._flowing.set()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            far_reader, far_writer = await asyncio.open_connection(self._host, self._port)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, far_writer}
        for source, target, counted in ((reader, far_writer, True), (far_reader, writer, False)):
            task = asyncio.create_task(self._forward(source, target, counted))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _forward(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, counted: bool
    ) -> None:
        with suppress(OSError):
            while data := await source.read(65_536):
                await self._flowing.wait()
                target.write(data)
                await target.drain()
                if counted:
                    self._count(len(data))
        target.transport.abort()
        self._writers.discard(target)

    def _count(self, size_bytes: int) -> None:
        self.forwarded_bytes += size_bytes
        limit = self._cut_after_bytes
        if limit is not None and self.forwarded_bytes >= limit:
            self._cut_after_bytes = None
            self.cut()

    async def finish(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def tcp_proxy(target: str) -> AsyncIterator[TcpProxy]:
    proxy = TcpProxy(target)
    server = await asyncio.start_server(proxy.accept, "127.0.0.1", 0)
    proxy.endpoint = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
        await proxy.finish()
        await server.wait_closed()
