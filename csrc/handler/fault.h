/* SPDX-License-Identifier: MIT
 *
 * fault: the fault that a handler of the program's was called for, and whether the next fault is
 * the same one. A handler gives a fault up by setting the default action, and raising the fault
 * again or returning to the instruction that raised it.
 */
#ifndef SIGREC_FAULT_H
#define SIGREC_FAULT_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

/* Any context. Whether the interrupted instruction raises the
 * signal again when it is executed again. */
bool fault_comes_again(int signum, const siginfo_t *info);

/* Signal context. The program's handler is about to be called for this fault, by the function that
 * has this stack frame; and has returned. */
void fault_begins(int signum, const siginfo_t *info, const void *context, uint32_t tid,
                  uint64_t ordinal, const void *frame);
void fault_returned(void);

/* Any context. The program has set the disposition. Unless the handler of the fault did that, the
 * next fault is a new one. */
void fault_forget(int signum);

/* Signal context. Whether the last fault that a handler was called for was of this signal. */
bool fault_was_of(int signum);

/* Signal context. Whether this is that fault once more. The one after it is a new one. */
bool fault_is_same(const siginfo_t *info, const void *context);

#endif
