/* SPDX-License-Identifier: MIT
 *
 * install: taking a signal from the program, and giving it back.
 */
#ifndef SIGREC_INSTALL_H
#define SIGREC_INSTALL_H

#include "registry.h"

/* Interpreter context: makes the signal's dispatch queue, if it has none yet
 * (it is never freed), and remembers the disposition as the one to restore.
 * Call it before anything else changes the disposition. 0 or an errno: EINVAL
 * for what the kernel or the C library refuses. */
int install_prepare(int signum, uint64_t queue_capacity);

/* Interpreter context: takes the signal. restart: blocking calls go on
 * (SA_RESTART), where no thread needs to come out of one to handle it. 0 or an
 * errno. */
int install_handler(int signum, bool restart);

/* Interpreter context, before anything else changes the disposition in order to
 * give it back: at which place we are now, for someone above us may have gone. */
void install_note_place(int signum);

/* Interpreter context: puts back what install_prepare found. `force`: even
 * where the handler in place is not ours. False: it was not, and stays. */
bool install_restore(int signum, bool force);

/* Interpreter context. The interpreter is about to set a handler of its own for
 * this registered signal, on our behalf and through interpose.h; ours stays in
 * place, or what other threads take meanwhile would not be counted. 0: no more. */
void install_keep(int signum);

/* Any context. Is it kept? Then this is the interpreter's own, or NULL. */
bool install_keeps(int signum, const struct sigaction *next);

/* Interpreter context. The disposition is the interpreter's own C handler now, which
 * it has set for a handler in Python, or would be, were ours not kept: returns it.
 * It is the same for all signals. */
void (*install_note_interpreter(int signum))(int);

/* Interpreter context, for a registered signal that the interpreter has taken
 * itself: takes it back, if its own C handler is really the disposition (the
 * program has put it back), and no other library's, which only calls it. */
bool install_again(int signum, bool restart);

/* Interpreter context. Records a signal that is the program's own: passive.h. */
int install_record(int signum, bool even_ignored);

/* Interpreter context, after that, where recording began with it: writes down what the program
 * had. inherited: where it ignores the signal, it has done so from the start. */
void install_note_start(int signum, bool inherited);

/* Interpreter context. The interpreter sets its handler of this signal on our behalf: that is
 * no change that the program has made. 0: no more. */
void install_on_behalf(int signum);

/* Any context. */
bool install_is_on_behalf(int signum);

/* Of a signal's stack, beside what the kernel itself writes there: 2 KiB for us, and the rest
 * for the interpreter, whose first call may bind a function. */
#define INSTALL_STACK 4096

/* Interpreter context. How large the calling thread's alternate stack is (0: it has none),
 * and should be, or a signal runs over its end: sigaltstack(2), getauxval(3). */
void install_alternate_stack(uint64_t *size, uint64_t *needed);

/* Interpreter context. Brings the recording's modes up to date. */
void install_refresh_modes(void);

/* Interpreter context, in a forked child. The same; where nobody can have changed a disposition
 * during the fork, the kernel is not asked. */
void install_after_fork(void);

#endif
