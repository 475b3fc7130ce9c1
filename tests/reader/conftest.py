"""What the tests of the reader share."""

import pytest

import sigrec


@pytest.fixture
def built(tmp_path):
    """Writes a builder's bytes and opens them."""
    opened = []

    def build(builder, name="a.sigrec"):
        opened.append(sigrec.open_recording(builder.write(tmp_path / name)))
        return opened[-1]

    yield build
    for recording in opened:
        recording.close()
