"""``sigrec run``, on both sides of its exec: the environment that makes a Python record."""

from __future__ import annotations

import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

VARIABLE = "SIGREC_RUN"
STARTUP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "startup")


def environment(output: str | None, children: bool, init: bool = False) -> dict[str, str]:
    """Of this process, and what makes a Python that is started in it record. init: this process
    stands for PID 1 of its namespace."""
    path = os.environ.get("PYTHONPATH")
    pid = os.getpid() if init else 0
    options = {"output": output, "children": children, "path": path, "init": pid}
    return {
        **os.environ,
        VARIABLE: json.dumps(options),
        "PYTHONPATH": os.pathsep.join([STARTUP, path] if path else [STARTUP]),
    }


def begin(options: dict[str, Any]) -> None:
    """In that Python, before its program: begin to record, and leave no trace.

    With ``children`` the environment stays as it is, but for the file's name: each child has a
    recording of its own.
    """
    if options["children"]:
        os.environ[VARIABLE] = json.dumps({**options, "output": None})
    else:
        del os.environ[VARIABLE]
        if options["path"] is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = options["path"]

    from sigrec import _core
    from sigrec._recorder import publishing, record

    if options["init"] == os.getpid():
        _core.stand_for_init(os.getpid())
    publishing.configure(recording=options["output"])
    publishing.keep()
    if _core.adopted():  # by what was loaded with this Python
        _core.keep()
    record.begin((), options["children"], from_start=True)
