"""A pytest fixture that counts the signals of a test. Loaded by pytest where sigrec is installed.

    def test_reload(signals):
        server = start()                        # installs its handler of SIGHUP
        signals.record(signal.SIGHUP)           # only this one, from zero
        os.kill(os.getpid(), signal.SIGHUP)
        signals.expect({signal.SIGHUP: 1})      # waits for it, as signals are asynchronous

Without ``signals.record`` every signal is recorded, from the beginning of the test, that can be
without changing the program. Handlers that the test sets later are called, and their signals are
recorded all the same.
"""

from __future__ import annotations

# Nothing of sigrec here: pytest imports this in every session, also where nothing uses it.
import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from sigrec import SignalsFixture


@pytest.fixture
def signals() -> Iterator[SignalsFixture]:
    """The signals that this test receives: ``signals.expect({signal.SIGUSR1: 3})``,
    ``signals.record(*signums)``, ``signals.counts``, ``signals.events``. To annotate it with:
    ``sigrec.SignalsFixture``."""
    from sigrec import SignalsFixture

    recording = SignalsFixture()
    try:
        yield recording
    finally:
        recording._recorder.stop()
