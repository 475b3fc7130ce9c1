"""``python -m benchmarks [NAME...] [--rounds N] [--json]``: runs all benchmarks, or those named."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys

from benchmarks import (
    dispatch,
    flood,
    forms,
    import_time,
    latency,
    lone,
    moderation,
    preload,
    progress,
    recording,
    sending,
)

ALL = {
    module.NAME: module
    for module in (
        flood,
        forms,
        lone,
        latency,
        dispatch,
        progress,
        moderation,
        recording,
        sending,
        preload,
        import_time,
    )
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(ALL)}; default: all"
    )
    parser.add_argument(
        "--rounds", type=int, default=5, help="how often each is measured (default 5)"
    )
    parser.add_argument("--json", action="store_true", help="JSON on stdout")
    parser.add_argument("--quick", action="store_true", help="small counts: does it run at all?")
    args = parser.parse_args()
    if unknown := set(args.names) - set(ALL):
        parser.error(f"no benchmark named {', '.join(sorted(unknown))}")
    if args.rounds < 1:
        parser.error(f"--rounds must be at least 1, not {args.rounds}")
    results = {}
    cpus = os.sched_getaffinity(0)
    for name, module in ALL.items():
        if name in args.names or not args.names:
            print(f"{name}: {(module.__doc__ or '').splitlines()[0]}", file=sys.stderr)
            results[name] = module.run(args.rounds, args.quick)
            os.sched_setaffinity(0, cpus)
            if not args.json:
                print(module.show(results[name]), flush=True)
    if args.json:
        about = {
            "python": platform.python_version(),
            "machine": platform.platform(),
            "cpus": len(cpus),
        }
        print(json.dumps({"version": 1, **about, "results": results}, indent=2))


if __name__ == "__main__":
    main()
