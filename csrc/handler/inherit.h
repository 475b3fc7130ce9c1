/* SPDX-License-Identifier: MIT
 *
 * inherit: which signals are blocked in what a handler of the dispatcher thread starts. That thread
 * blocks all signals, so that the kernel gives them to threads that can run Python code for them;
 * but a process or a thread that it started would inherit that, and SIGTERM could not end it. So
 * from when a handler starts something until the thread waits
 * again, it has the mask of the program.
 */
#ifndef SIGREC_INHERIT_H
#define SIGREC_INHERIT_H

/* Interpreter context, in the thread that starts the dispatcher thread: its mask is the program's.
 */
void inherit_note(void);

/* Interpreter context, in the dispatcher thread, before it waits: it blocks all signals again. */
void inherit_wait(void);

/* Interpreter context, in the dispatcher thread, which ends. */
void inherit_over(void);

/* Any context. This thread is about to start something, if it is the dispatcher thread. System
 * calls: rt_sigprocmask, and those of borrow.c; getpid where there may be a vfork child. */
void inherit_begin(void);

#endif
