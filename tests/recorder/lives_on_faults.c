/* SPDX-License-Identifier: MIT
 * Handles 500 faults of its own, as a JVM does with null pointers, after another signal. */
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>

static sigjmp_buf back;
static int *volatile nowhere;

static void on_fault(int signum) { siglongjmp(back, signum); }
static void on_other(int signum) { (void)signum; }

int main(void) {
    static volatile int n;
    signal(SIGUSR1, on_other);
    raise(SIGUSR1);
    signal(SIGSEGV, on_fault);
    if (sigsetjmp(back, 1))
        n++;
    if (n < 500)
        *nowhere = 1;
    return 3;
}
