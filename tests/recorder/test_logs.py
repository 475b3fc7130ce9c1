"""log_signals(): what was delivered is logged, and the program's own handling goes on."""

import json
from pathlib import Path

HERE = Path(__file__).parent


def test_each_signal_is_a_record(child):
    one = child(HERE / "logs_each_signal.py")
    lines = [one.line().partition(" ") for _ in range(3)]
    one.tell()
    lines.append(one.line().partition(" "))
    assert {level for level, _, _ in lines} == {"WARNING"}
    found = [json.loads(text) for _, _, text in lines]
    assert [event["ordinal"] for event in found] == [0, 1, 2, 3]
    assert [event["si_value"] for event in found] == [0, 1, 2, None]
    assert found[0]["signal"] == "SIGRTMIN+2" and found[0]["sender"]["pid"] == one.pid
    assert found[0]["says"].startswith(f"SIGRTMIN+2 from claimed PID {one.pid} (")
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
                with_room(signal.raise_signal, RT)
        say(sum(said))
    """)
    assert one.line() == "5000"
    one.end()


def test_a_logger_that_raises_loses_no_other_signal(child):
    one = child(HERE / "logs_with_a_filter_that_raises.py")
    assert [one.line() for _ in range(4)] == ["raised no", "logged 1", "logged 2", "closed"]
    one.end()


def test_closed_in_a_handler_that_interrupted_a_logger(child):
    """It holds the lock that the thread which logs waits for."""
    one = child(HERE / "closes_a_log.py")
    assert one.line() == "what was delivered before is not logged yet"
    assert one.line() == "SIGUSR1"
    one.end()
