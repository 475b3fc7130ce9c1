"""log_signals(): what was delivered is logged, and the program's own handling goes on."""

import json


def test_each_signal_is_a_record(child):
    one = child("""
        import json, logging
        got = []
        signal.signal(signal.SIGUSR1, lambda *a: got.append(a[0]))
        class Lines(logging.Handler):
            def emit(self, record):
                say(record.levelname, json.dumps({"says": record.getMessage(), **record.signal}))
        logger = logging.getLogger("app")
        logger.propagate = False
        logger.addHandler(Lines())
        signal.raise_signal(signal.SIGUSR1)  # before it is logged
        with sigrec.log_signals(logger, signal.SIGUSR1, level=logging.WARNING) as log:
            for value in range(3):
                sigqueue(os.getpid(), signal.SIGUSR1, value)
            hear()
            signal.raise_signal(signal.SIGUSR1)
            signal.raise_signal(signal.SIGCONT)  # is not asked for
        log.close()
        signal.raise_signal(signal.SIGUSR1)  # after it
        say("got", len(got))
    """)
    lines = [one.line().partition(" ") for _ in range(3)]
    one.tell()
    lines.append(one.line().partition(" "))
    assert {level for level, _, _ in lines} == {"WARNING"}
    found = [json.loads(text) for _, _, text in lines]
    assert [event["ordinal"] for event in found] == [0, 1, 2, 3]
    assert [event["si_value"] for event in found] == [0, 1, 2, None]
    assert found[0]["signal"] == "SIGUSR1" and found[0]["sender"]["pid"] == one.pid
    assert found[0]["says"].startswith(f"SIGUSR1 from claimed PID {one.pid} (")
    assert one.line() == "got 6"
    one.end()


def test_too_many_to_be_logged_one_by_one(child):
    one = child("""
        import logging
        sigrec.configure(history=16)
        said = []
        class Lines(logging.Handler):
            def emit(self, record):
                said.append(record.signal.get("missed", 1))
        logger = logging.getLogger("app")
        logger.propagate = False
        logger.addHandler(Lines())
        logger.setLevel(logging.INFO)
        signal.signal(RT, lambda *a: None)
        with sigrec.log_signals(logger, RT):
            for _ in range(5000):
                signal.raise_signal(RT)
        say(sum(said))
    """)
    assert one.line() == "5000"
    one.end()
