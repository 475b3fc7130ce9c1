"""Every form begun and ended 800 times and more: nothing is left behind."""

import re

import pytest

FORMS = {
    "main": "with sigrec.register(RT, handler): send(n)",
    "thread": "with sigrec.register(RT, handler, deliver='thread'): send(n)",
    "propagate": "with sigrec.register(RT, handler, propagate=KeyError): send(n)",
    "manager": "with sigrec.SignalManager() as m: m.register(RT, handler); m.register(10, handler)",
    "stream": "with sigrec.stream(RT) as stream: send(n); n % 10 or stream.get()",
    "two streams": "a = sigrec.stream(RT); b = sigrec.stream(RT, 10); a.close(); send(n); b.close()",
    "wait": "sigrec.wait(RT, timeout=0)",
    "flag": "with sigrec.Flag(RT): send(n)",
    "timer": "with with_room(sigrec.timer, 60 if n % 10 else 0.00001, info): pass",
    "record": "with sigrec.record(RT): pass",
    "asyncio": "asyncio.run(read(n))",
}


# Of the longest a leak of 22 bytes each time is 16 pages, of the shorter ones 109 and 328: a timer
# and a recorder take a millisecond each.
def times_of(form):
    short = 200 if form in ("timer", "record") else 600
    return [(form, short), pytest.param(form, 3000, marks=pytest.mark.long)]


@pytest.mark.parametrize("form, times", [each for form in FORMS for each in times_of(form)])
def test_nothing_is_left_behind(child, form, times):
    p = child(
        """
        import asyncio, gc
        sigrec.configure(history=16, queue=16)  # their pages are touched as they fill: no leak
        def handler(s, f): pass
        def info(i): pass
        def send(n):
            if n %% 10 == 0:
                sigqueue(os.getpid(), RT)
        async def read(n):
            async with sigrec.stream(RT) as stream:
                send(n)
                if n %% 10 == 0:
                    await stream.__anext__()
                if n %% 3 == 0:  # cancelled while it waits
                    task = asyncio.create_task(stream.__anext__())
                    await asyncio.sleep(0)
                    task.cancel()
        def once(n):
            %s
        def status():
            lines = open("/proc/self/status").read().splitlines()
            return [l for l in lines if l.startswith(("Threads", "SigBlk", "SigIgn", "SigCgt"))]
        def state():
            gc.collect()
            return len(os.listdir("/proc/self/fd")), status()
        def resident():
            return int(open("/proc/self/statm").read().split()[1])
        for n in range(min(500, int(sys.argv[1]))): once(n + 1)
        once(0)
        before = state()
        grown = []
        # An allocator may take an arena, 256 pages, and use it; a leak grows each time.
        while len(grown) < 4 or (min(grown) >= 16 and len(grown) < 15):
            pages = resident()
            for n in range(int(sys.argv[1])): once(n)
            grown.append(resident() - pages)
        after = state()
        say(before == after or (before, after), min(grown), grown)
        for signum in (10, int(RT)):
            say(signal.getsignal(signum) == signal.SIG_DFL)
        """ % FORMS[form],
        times,
    )  # fmt: skip
    same, grown, each = re.fullmatch(r"(.*) (-?\d+) (\[.*\])", p.line(180)).groups()
    assert same == "True"
    assert int(grown) < 16, f"pages: {each}"
    assert p.line() == p.line() == "True"
    p.end()
