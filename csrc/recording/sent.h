/* SPDX-License-Identifier: MIT
 *
 * sent: what this process sent to others, and what it was told of its children.
 *
 * The victim of a SIGKILL cannot write down who sent it. Its sender can, and its
 * parent learns how it ended. There are three rings for that in the recording, of
 * what was sent and told, and nothing that was received is in them; each entry is an
 * event (event.h) whose fields mean
 *
 *   sent, endings        signo; code: enum sent_how; pid: the target as it was
 *                        given, a group where it is negative, 0 the own group;
 *                        tid: the thread that sent; uid: the target's thread, or
 *                        0; datum: the value of a sigqueue(3), of a SIGKILL when
 *                        its target began (proc_start_ticks); detail: the errno,
 *                        0 where it went well, SENT_UNKNOWN while nobody knows;
 *                        timerid: the low half of the ordinal
 *   children             signo SIGCHLD; code: CLD_EXITED and the like; pid: the
 *                        child; detail: its exit status or its signal
 *
 * The layout is part of the file format: docs/reference/format.md.
 */
#ifndef SIGREC_SENT_H
#define SIGREC_SENT_H

#include "recording/recording.h"

#define SENT_UNKNOWN INT32_MAX

enum sent_how {
    SENT_KILL = 1,   /* kill(2) */
    SENT_KILLPG = 2, /* killpg(3) */
    SENT_THREAD = 3, /* tgkill(2), tkill(2), pthread_kill(3) */
    SENT_RAISE = 4,  /* raise(3), abort(3) */
    SENT_QUEUE = 5,  /* sigqueue(3), pthread_sigqueue(3) */
    SENT_PIDFD = 6,  /* pidfd_send_signal(2); pid: 0 where it could not be read */
};

struct sent_call {
    struct slot *written[2]; /* NULL: it is not written there */
    uint64_t unknown_result; /* the word that holds the result, until it is known */
};

/* Any context. Writes down what is about to be sent, before the call that sends it, which may
 * never come back. */
struct sent_call sent_begin(const struct recording *recording, struct event *event);

/* Any context. Writes down how the sending went. A slot that was used again is left alone. */
void sent_end(const struct sent_call *call, int error);

/* Any context. Whether process `pid`, whose recording it is, has sent another process a signal that
 * ends or stops, as far as its ring still has it, and was not refused. */
bool sent_to_others(const struct recording *recording, int32_t pid);

/* Any context. Writes down what became of a child, as wait(2) told. */
void sent_child(const struct recording *recording, int32_t pid, int code, int status);

#endif
