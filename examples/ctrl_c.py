"""Ctrl-C: a handler on SIGINT while input() blocks.

Run it, and press Ctrl-C; press it again while it tidies up, and the second one gets through too.
"""

import gc
import signal
import time

import sigrec

presses = 0


def on_interrupt(signum, frame):
    global presses
    gc.disable()  # CPython 3.12 loses an exception from inside input() when a collection is due
    presses += 1
    if presses > 1:
        print("Again? Leaving at once.", flush=True)
        raise SystemExit(1)
    print("\nYou pressed Ctrl-C. Tidying up...", flush=True)
    time.sleep(1)  # a slow shutdown
    print("Done.", flush=True)
    raise SystemExit(0)


sigrec.register(signal.SIGINT, on_interrupt)
name = input("Your name, or Ctrl-C: ")
print(f"Hello, {name}!")
