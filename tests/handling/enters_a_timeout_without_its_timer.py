"""Enters a timeout() block whose timer the program itself has deleted, and then enters it again."""

import ctypes
import time

import sigrec
from tests.prelude import say, with_room

outer = sigrec.timeout(60)
with_room(outer.__enter__)
for timer in range(64):  # the program's own mistake
    ctypes.CDLL(None).timer_delete(ctypes.c_void_p(timer))
block = sigrec.timeout(0)
try:
    block.__enter__()
except OSError as error:
    say(error.strerror, block)
outer.__exit__(None, None, None)
for again in block, sigrec.timeout(0.01):
    try:
        with_room(again.__enter__)
        time.sleep(60)
    except BaseException as error:
        say(type(error).__name__)
        again.__exit__(None, None, None)
