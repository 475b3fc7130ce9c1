"""Python's site module runs this before the program, in a process that ``sigrec run`` has started.

Python itself runs the program afterwards, and so sys.argv, __main__, sys.path[0], tracebacks and
the exit status are the program's own. This begins to record, and removes its own traces.

With ``--children`` any Python that the program starts may come here, of any version and kind. One
that sigrec is not built for must run as if this were not there, without a message; so there is no
syntax here that an old one does not know.
"""


def _begin():  # type: ignore[no-untyped-def]
    import os
    import sys

    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != here]
    sys.path_importer_cache.pop(here, None)
    # The package is found by this file's place: it may not be on the program's own path.
    package = os.path.dirname(os.path.dirname(here))
    options = os.environ.get("SIGREC_RUN")
    suffixes = []  # type: list[str]
    if sys.version_info >= (3, 11):  # noqa: UP036 - the Python of the program, not ours
        from importlib.machinery import EXTENSION_SUFFIXES

        suffixes += EXTENSION_SUFFIXES
    if options is not None and any(
        os.path.exists(os.path.join(package, "_core" + suffix)) for suffix in suffixes
    ):
        try:
            import importlib.util
            import json

            if "sigrec" not in sys.modules:
                spec = importlib.util.spec_from_file_location(
                    "sigrec",
                    os.path.join(package, "__init__.py"),
                    submodule_search_locations=[package],
                )
                assert spec is not None and spec.loader is not None
                sys.modules["sigrec"] = module = importlib.util.module_from_spec(spec)
                spec.loader.exec_module(module)
            from sigrec._recorder import run

            run.begin(json.loads(options))
        except KeyboardInterrupt:
            # Python would end with status 1 and say that its site module has failed.
            import signal

            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGINT)
        except Exception as error:  # recording must never break the program
            sys.stderr.write("sigrec: not recording: %s\n" % error)
    # This imports the program's own sitecustomize, or raises the ImportError that site expects.
    sys.modules.pop("sitecustomize", None)
    __import__("sitecustomize")


_begin()  # type: ignore[no-untyped-call]
