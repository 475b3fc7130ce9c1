"""A pool of processes, and one process that it ends, by the start method that is asked for."""

import multiprocessing
import sys
import time


def square(n):
    return n * n


def sleep(begun):
    begun.set()
    time.sleep(600)


if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    pool = context.Pool(2)
    print(sum(pool.map(square, range(100))))
    begun = context.Event()
    asleep = context.Process(target=sleep, args=(begun,))
    asleep.start()
    begun.wait()
    asleep.terminate()  # by SIGTERM
    asleep.join()
    print(asleep.exitcode)
    pool.terminate()  # its workers by SIGTERM, if they did not end before
    pool.join()
