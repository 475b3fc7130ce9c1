"""An asyncio program that reads its signals as a stream: every one, in order, with its sender.

Run it, and from another terminal: kill -HUP PID, and then kill PID
"""

import asyncio
import os
import signal

import sigrec


async def watch():
    async with sigrec.stream(signal.SIGHUP, signal.SIGTERM, signal.SIGINT) as signals:
        print(f"PID {os.getpid()}", flush=True)
        async for info in signals:
            # A Missed, where more came than there was room for, has no sender.
            who = info.sender if isinstance(info, sigrec.SignalInfo) else "many"
            print(f"{signal.Signals(info.si_signo).name} from {who}", flush=True)
            if info.si_signo == signal.SIGHUP:
                print("Reloading.", flush=True)
            else:
                return


asyncio.run(watch())
print("Stopped.", flush=True)
