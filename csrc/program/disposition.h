/* SPDX-License-Identifier: MIT
 *
 * disposition: what the program had a signal do, since when, and who made it so.
 *
 * The newest eight changes of each recorded signal are kept (notes.h). A change is an event
 * (event.h) whose fields mean
 *
 *   ordinal   which change of this signal's disposition it is, from 0
 *   code      enum disposition_how
 *   pid       enum disposition_kind
 *   uid       where the change was made: a call site (site.h); 0: not known
 *   datum     sa_flags
 *
 * The layout is part of the file format: docs/reference/format.md.
 */
#ifndef SIGREC_DISPOSITION_H
#define SIGREC_DISPOSITION_H

#include "program/notes.h"

#include <signal.h>

#define DISPOSITION_SLOTS 8 /* of each signal number */

enum disposition_kind {
    DISPOSITION_DEFAULT = 0,
    DISPOSITION_IGNORE = 1,
    DISPOSITION_HANDLER = 2,
    DISPOSITION_OURS = 3, /* a handler that is registered with sigrec */
};

enum disposition_how {
    DISPOSITION_BEFORE = 0,    /* it was so when recording began */
    DISPOSITION_INHERITED = 1, /* it was so before the program itself did anything */
    DISPOSITION_FORKED = 2,    /* the parent had set it so before the fork */
    DISPOSITION_SIGACTION = 3, /* by sigaction(2) */
    DISPOSITION_SIGNAL = 4,    /* by signal(2), or a function like it */
    DISPOSITION_REGISTER = 5,  /* by sigrec, as the program asked it to */
    DISPOSITION_RESET = 6,     /* by the signal itself: SA_RESETHAND */
};

struct disposition {
    int signum;
    enum disposition_how how;
    enum disposition_kind kind;
    const struct sigaction *action; /* that was set */
    uint32_t site;
};

/* Any context. Writes down the change, unless the signal had the same handler, from the same
 * call site, already. `ordinals`: how many changes of each signal this process has written. */
void disposition_note(const struct notes *to, _Atomic uint64_t *ordinals,
                      const struct disposition *change);

/* Any context. Forgets the disposition of a signal that is not recorded any more. */
void disposition_forget(int signum);

/* Interpreter context, in a forked child that has a recording now: writes down the
 * dispositions that its parent had, of each signal that the child has not changed itself. */
void disposition_inherit(const struct notes *to, _Atomic uint64_t *ordinals);

#endif
