"""The main thread sleeps in a call, while more comes than one dispatch hands out."""

import select
import sys
import threading  # noqa: F401 (what is executed uses it)
import time  # noqa: F401

import sigrec
from tests.prelude import RT, say

calls, raises = 0, sys.argv[1] == "survive()"


class Now(Exception):
    pass


def handler(s, f):
    global calls
    calls += 1
    if raises and calls % 10_000 == 0:
        raise Now


def survive(levels=20):  # it surfaces in the except clause, too
    while True:
        try:
            if levels:
                survive(levels - 1)
            elif not calls:
                say("ready")  # not before: here all can be survived
            select.select([], [], [])
        except Now:
            pass


sigrec.register(RT, handler)
if not raises:
    say("ready")
exec(sys.argv[1])
