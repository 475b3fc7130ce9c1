/* SPDX-License-Identifier: MIT
 *
 * course: the course that a signal takes after our handler has recorded it (passive.h): the
 * program's handler, or the default action, by which the process ends or stops.
 */
#ifndef SIGREC_COURSE_H
#define SIGREC_COURSE_H

#include "events/signals.h"
#include "program/action.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

/* Any context. From now on this process, whose PID that is, behaves as PID 1 of its namespace
 * would: no default action of a signal that was sent to it ends or stops it (kill(2), notes). */
void course_as_init(int32_t pid);

/* Signal context. Whether the signal's course is to end the process, or to stop it. */
bool course_by_default(int signum, enum signal_default what);
static inline bool course_ends(int signum) {
    return action_is_default(signum) && course_by_default(signum, SIGNAL_ENDS);
}
static inline bool course_stops(int signum) {
    return action_is_default(signum) && course_by_default(signum, SIGNAL_STOPS);
}

/* Signal context. Between these two calls a SIGCONT cancels the stop, whichever thread takes it:
 * the stop signal is pending once more in this thread, and the kernel discards it. */
struct course_stop {
    bool begun;
    bool pending;   /* the stop signal was sent once more */
    bool continued; /* a SIGCONT had come before that */
};
void course_stop_begins(int signum, uint32_t tid, struct course_stop *stop);
void course_stop_ends(int signum, struct course_stop *stop);

/* Signal context. Whether an adopted handler (adopted.h) has called ours, of the signal that it was
 * called for. Then what stood there before it has been
 * called, and the signal is not counted again. */
bool course_called_by_adopted(int signum, siginfo_t *info, void *context);

/* Signal context, before the signal is counted. Whether this is a fault that was counted already:
 * the program's handler gave up, by setting the default action and raising the fault again or
 * returning to the instruction that raised it. Then the fault takes its default action here, under
 * the ordinal that it had. */
bool course_fault_again(int signum, const siginfo_t *info, void *context);

/* Signal context, to be called now and then. Takes back that a fault ends the process, where the
 * process still runs a second later. */
void course_goes_on(uint64_t now_ns);

/* Signal context. Takes the default action of a signal, recorded or not. If the process goes on,
 * the disposition is afterwards what it was before. */
void course_default(int signum, const siginfo_t *info, void *context, uint32_t tid,
                    uint64_t ordinal);

/* Signal context. The last thing that our handler does, with errno as it was when the signal
 * came: the signal takes its course. Returns false where the signal has just become a registered
 * one, and has to be handled as such. stop: what course_stop_begins() has begun, if the signal
 * stops the process. */
bool course_take(int signum, siginfo_t *info, void *context, uint32_t tid, uint64_t ordinal,
                 struct course_stop *stop);

#endif
