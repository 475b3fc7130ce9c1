/* SPDX-License-Identifier: MIT
 *
 * What storm.c opens and closes: it sets one of its handlers for a signal, and sends that. */
#define _GNU_SOURCE
#include <signal.h>

int set_and_raise(int signum, void (*handler)(int));

int set_and_raise(int signum, void (*handler)(int)) {
    return signal(signum, handler) == SIG_ERR ? -1 : raise(signum);
}
