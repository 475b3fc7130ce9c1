"""A pytest fixture that counts the signals of a test. pytest loads it where sigrec is installed.

    def test_reload(signals):
        server = start()                        # installs its handler of SIGHUP
        signals.record(signal.SIGHUP)           # only this one, from zero
        os.kill(os.getpid(), signal.SIGHUP)
        signals.expect({signal.SIGHUP: 1})      # waits for it, since signals are asynchronous

Without ``signals.record``, each signal is recorded from the beginning of the test, except for those
whose recording would change the program. Handlers that the test sets later are called, and their
signals are still recorded.
"""

from __future__ import annotations

# This module imports nothing of sigrec at first: pytest imports it in every session, also where no
# test uses the fixture.
import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from sigrec import SignalsFixture


@pytest.fixture
def signals() -> Iterator[SignalsFixture]:
    """The signals that this test receives: ``signals.expect({signal.SIGUSR1: 3})``,
    ``signals.record(*signums)``, ``signals.counts``, ``signals.events``. Its type is
    ``sigrec.SignalsFixture``."""
    from sigrec import SignalsFixture

    recording = SignalsFixture()
    try:
        yield recording
    finally:
        recording._recorder.stop()
