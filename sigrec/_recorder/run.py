"""Both sides of the exec of ``sigrec run``: makes the environment that has a Python record itself,
and begins that recording."""

from __future__ import annotations

import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

VARIABLE = "SIGREC_RUN"
STARTUP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "startup")


def environment(output: str | None, children: bool, init: bool = False) -> dict[str, str]:
    """The environment of this process, with what has a Python that is started in it record itself.
    init: this process is the program of PID 1 of its namespace."""
    path = os.environ.get("PYTHONPATH")
    pid = os.getpid() if init else 0
    options = {"output": output, "children": children, "path": path, "init": pid}
    return {
        **os.environ,
        VARIABLE: json.dumps(options),
        "PYTHONPATH": os.pathsep.join([STARTUP, path] if path else [STARTUP]),
    }


def begin(options: dict[str, Any]) -> None:
    """Begins to record in that Python, before its program begins, and leaves no trace.

    With ``children`` the environment stays as it is, without the file's name, since each child has
    a recording of its own.
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
    if _core.adopted():  # the preloaded library records already
        _core.keep()
    record.begin((), options["children"], from_start=True)
