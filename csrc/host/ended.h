/* SPDX-License-Identifier: MIT
 *
 * ended: how a process ended that need not be a child of this one, as any user may know it:
 * pidfd_open(2). For readers sigrec/_proc/pidfd.py does the same.
 */
#ifndef SIGREC_ENDED_H
#define SIGREC_ENDED_H

#include <stdbool.h>
#include <stdint.h>

enum ended_seen_by { ENDED_UNKNOWN, ENDED_PROC, ENDED_PIDFD };

struct ended {
    enum ended_seen_by seen_by; /* and told its code */
    int code;                   /* as wait(2) has it */
    bool blocks_known;
    uint64_t blocked; /* by its main thread, as proc_pid_status(5) has it */
    uint64_t time_ns, monotonic_ns;
};

/* Any context. Until the process has ended, so many milliseconds at most. */
bool ended_wait(int pidfd, int timeout_ms);

/* Any context; proc_read. Whether it is on its way out, or has ended: all of its threads, since
 * the first may go before. */
bool ended_is_near(int32_t pid);

/* At once after the end; may take two seconds, where only its parent's wait(2) makes it known. */
struct ended ended_look(int32_t pid, int pidfd, uint64_t start_ticks);

#endif
