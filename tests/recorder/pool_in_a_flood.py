"""A pool of processes, and other children, under a flood."""

import multiprocessing
import os
import signal
import subprocess
import sys


def square(n):
    if n % 100 == 0:
        import sigrec  # in a worker, which has nothing else of it

        sigrec.register(signal.SIGUSR2, lambda s, f: None)
        os.kill(os.getpid(), signal.SIGUSR2)
        assert sigrec.stats()[signal.SIGUSR2].handled >= 1
    return n * n


if __name__ == "__main__":
    import sigrec

    RT = signal.SIGRTMIN + 2
    sigrec.register(RT, lambda s, f: None)
    print("ready", flush=True)
    with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:
        print(sum(pool.map(square, range(500))), flush=True)
        pool.close()
        pool.join()
    print(len(os.listdir(os.environ["SIGREC_DIR"])), flush=True)
    for _ in range(10):
        assert (
            subprocess.run([sys.executable, "-S", "-c", "print(1)"], capture_output=True).stdout
            == b"1\n"
        )
        pid = os.posix_spawn(
            sys.executable, [sys.executable, "-S", "-c", "raise SystemExit(3)"], os.environ
        )
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3
    print("done", flush=True)
    sys.stdin.readline()
    while sigrec.stats()[RT].pending:
        pass
    s = sigrec.stats()[RT]
    print(s.delivered, s.handled, s.recorded + s.dropped, flush=True)
