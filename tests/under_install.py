"""asyncio's handlers, its children, and a pool, where `signal` is compat."""

import os
import signal
import sys

import sigrec.compat

sigrec.compat.install()
import asyncio  # noqa: E402
import multiprocessing  # noqa: E402
import subprocess  # noqa: E402


def square(n):
    return n * n


async def main():
    loop, come = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGUSR1, come.set)
    print(sigrec.stats()[signal.SIGUSR1].mode)
    os.kill(os.getpid(), signal.SIGUSR1)
    await come.wait()
    loop.remove_signal_handler(signal.SIGUSR1)
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "raise SystemExit(3)")
    print(await process.wait())


if __name__ == "__main__":
    asyncio.run(main())
    print(signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL)
    with multiprocessing.Pool(2) as pool:
        print(sum(pool.map(square, range(10))))
    try:
        subprocess.run([sys.executable, "-c", "import time; time.sleep(600)"], timeout=0.01)
    except subprocess.TimeoutExpired:
        print("timeout")
