/* SPDX-License-Identifier: MIT
 *
 * install: taking a signal from the program, and giving it back.
 */
#ifndef SIGREC_INSTALL_H
#define SIGREC_INSTALL_H

#include "handler/registry.h"

/* Interpreter context: makes the signal's dispatch queue, if it has none yet
 * (it is never freed), and remembers the disposition as the one to restore.
 * Call it before anything else changes the disposition. 0 or an errno: EINVAL
 * for what the kernel or the C library refuses. */
int install_prepare(int signum, uint64_t queue_capacity);

/* Interpreter context: installs our handler. restart: with SA_RESTART, so that blocking
 * system calls go on, where no thread has to return from one to run the handler in Python.
 * Returns 0 or an errno. */
int install_handler(int signum, bool restart);

/* Interpreter context, at the end of a registration, before anything else changes the
 * disposition: notes at which place our handler is now, since a
 * handler above it may have been removed. */
void install_note_place(int signum);

/* Interpreter context: puts back the disposition that install_prepare() found. `force`: even where
 * the handler in place is not ours. False: it is not ours, and was left as it is. */
bool install_restore(int signum, bool force);

/* Interpreter context. The interpreter is about to set a handler of its own for this registered
 * signal, on our behalf and through interpose.h. Our handler stays in place meanwhile, or
 * signals that other threads take would not be counted. 0: this is over. */
void install_keep(int signum);

/* Any context. Whether install_keep is in force for the signal; next is then the handler of
 * the interpreter, or NULL. */
bool install_keeps(int signum, const struct sigaction *next);

/* Interpreter context, after the interpreter has set its own C handler, which it does for each
 * handler in Python, or would have set it, had ours not been kept: returns the interpreter's C
 * handler, which is the same for all signals. */
void (*install_note_interpreter(int signum))(int);

/* Interpreter context, for a registered signal that came to the interpreter's own C handler:
 * installs ours again, if that C handler is really the disposition, since the program has put
 * it back. Where another library's handler only calls it, nothing is changed. */
bool install_again(int signum, bool restart);

/* Interpreter context. Records a signal that is the program's own: passive.h. */
int install_record(int signum, bool even_ignored);

/* Interpreter context, after install_record, for the first recorder of the signal: writes down
 * the disposition that the program had. inherited: where the program ignores the signal, it has
 * done so from its start. */
void install_note_start(int signum, bool inherited);

/* Interpreter context. From now on the interpreter sets its handler of this signal on our behalf,
 * and so the program has changed nothing. 0: this is over. */
void install_on_behalf(int signum);

/* Interpreter context, once. What is to be done before and after the interpreter sets the program's
 * disposition in the place of our handler: see install_is_replaced. */
void install_on_replace(void (*before)(int signum), void (*after)(int signum));

/* Any context. Whether the call of sigaction(2) from that address is the interpreter's, for the
 * program's signal.signal() of a registered signal. By then the interpreter has looked for
 * signals, and next it has another handler in Python. So `before` has handled what waits, and sees
 * to it that no trip comes to that other handler, until `after`. */
bool install_is_replaced(int signum, const struct sigaction *next, const void *caller);
void install_before_replace(int signum);
void install_after_replace(int signum);

/* Interpreter context. Looks for handlers of recorded signals that were set by calls which did not
 * reach us, and adopts them (adopted.h): from here on these signals are recorded again. */
void install_notice(void);

/* Any context. Whether install_on_behalf is in force for the signal. */
bool install_is_on_behalf(int signum);

/* How many bytes of an alternate stack are needed beside what the kernel itself writes there:
 * 2 KiB for our handler, and the rest for the interpreter's functions, whose first call may
 * make the dynamic linker bind them. */
#define INSTALL_STACK 4096

/* Interpreter context. How large the calling thread's alternate stack is (0: it has none), and
 * how large it has to be, so that no handler runs over its end: sigaltstack(2), getauxval(3). */
void install_alternate_stack(uint64_t *size, uint64_t *needed);

/* Interpreter context. Brings the mode of each signal in the recording up to date. */
void install_refresh_modes(void);

/* Interpreter context, in a forked child. Does the same; the kernel is asked only where another
 * thread can have changed a disposition during the fork. */
void install_after_fork(void);

#endif
