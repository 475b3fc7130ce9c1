"""Run by Python's site module, before the program, in a process that ``sigrec run`` started.

Python itself then runs the program, and so sys.argv, __main__, sys.path[0], tracebacks and the
exit status are its own. This begins to record, and takes its own traces away.
"""


def _begin() -> None:
    import os
    import sys

    here = os.path.dirname(os.path.abspath(__file__))
    options = os.environ.get("SIGREC_RUN")
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != here]
    sys.path_importer_cache.pop(here, None)
    sys.modules.pop("sitecustomize", None)
    if options is None:
        return
    try:
        import importlib.util
        import json

        # By its place: sigrec may not be on the program's own path.
        package = os.path.dirname(os.path.dirname(here))
        if "sigrec" not in sys.modules:
            spec = importlib.util.spec_from_file_location(
                "sigrec", os.path.join(package, "__init__.py"), submodule_search_locations=[package]
            )
            assert spec is not None and spec.loader is not None
            sys.modules["sigrec"] = module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
        from sigrec._recorder import run

        run.begin(json.loads(options))
    except Exception as error:  # recording must never break the program
        print(f"sigrec: not recording: {error}", file=sys.stderr)


_begin()
del _begin
# The program's own, if it has one; else the ImportError that site expects. Its name is free again.
__import__("sitecustomize")
