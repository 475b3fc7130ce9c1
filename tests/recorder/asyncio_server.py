"""A server in asyncio that handles signals, and starts a child."""

import asyncio
import signal


async def answer(reader, writer):
    await reader.readline()
    writer.write(b"HTTP/1.0 200 OK\r\n\r\nhello")
    await writer.drain()
    writer.close()


async def main():
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGHUP, print, "reload")
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print("port", server.sockets[0].getsockname()[1])
    child = await asyncio.create_subprocess_exec("sh", "-c", "exit 7")
    print("child", await child.wait())
    await stop.wait()
    loop.remove_signal_handler(signal.SIGHUP)
    server.close()


asyncio.run(main())
