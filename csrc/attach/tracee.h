/* SPDX-License-Identifier: MIT
 *
 * tracee: one thread of another process, stopped by ptrace(2), and what can be called
 * in it: a system call, or a function on a stack that the caller names. All registers
 * and the mask of the thread are put back then, and a
 * system call that was interrupted goes on.
 *
 * Each wait has a limit. While the thread is
 * stopped, the other threads of its process run.
 */
#ifndef SIGREC_TRACEE_H
#define SIGREC_TRACEE_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#if defined(__linux__) && (defined(__x86_64__) || defined(__aarch64__))
#define TRACEE_SUPPORTED 1

#include <sys/user.h>

typedef struct user_regs_struct tracee_registers;

#define TRACEE_STATE 65536 /* of vector registers: AMX has 11 KiB */
#define TRACEE_KEPT 8

enum tracee_event {
    TRACEE_STOPPED,
    TRACEE_RETURNED, /* from what was called in it */
    TRACEE_LATE,     /* not within the time */
    TRACEE_ENDED,    /* or it became another program */
    TRACEE_HALTED,   /* by SIGSTOP or its like, before we came */
    TRACEE_FAULT,    /* of what was called in it */
    TRACEE_REFUSED,  /* errno says why */
};

struct tracee {
    pid_t pid, tid;
    int memory;                 /* /proc/PID/mem */
    uint64_t system_call, trap; /* addresses of two instructions of its own */
    tracee_registers before;
    uint64_t mask;
    long number, result; /* of the system call that it was in; number -1: in none */
    bool goes_on;        /* that call, where it was, once the thread does */
    long state_kind;     /* NT_X86_XSTATE, say */
    size_t state_size;
    uint8_t state[TRACEE_STATE];
    siginfo_t kept[TRACEE_KEPT]; /* faults that somebody sent meanwhile */
    int kept_count;
    bool stopped;
    bool can_go;   /* it is in a stop after which the kernel makes an interrupted call again */
    bool all_held; /* all signals are blocked, faults too: no trap may come */
};

/* The instructions, as bytes of which the masked bits count, for images_find(). */
extern const uint8_t tracee_system_call[], tracee_trap[], tracee_mask[], tracee_trap_mask[];
extern const size_t tracee_system_call_size, tracee_trap_size, tracee_step;

/* The state of any thread, as in proc_pid_stat(5); X: there is none. */
char tracee_state(pid_t tid);

/* Stops the thread, and reads its registers and mask. TRACEE_LATE: it did not stop within
 * limit_ns, and does not wait for a processor. The caller has
 * blocked SIGCHLD, and left it to its default. */
enum tracee_event tracee_stop(struct tracee *tracee, uint64_t limit_ns);

/* The thread goes on as if nothing had happened, and is not traced any more. */
void tracee_leave(struct tracee *tracee);

/* Before anything is called in a stopped thread: remembers all of its registers, and blocks
 * its signals. 0 or an errno. */
int tracee_take(struct tracee *tracee);

enum tracee_event tracee_system(struct tracee *tracee, long number, const uint64_t argument[6],
                                int64_t *result);

/* top: of the stack. TRACEE_LATE: after limit_ns it waited, for a lock, say. One that does not wait
 * but is slow may hold a lock itself, and is not given up before ten seconds are over. */
enum tracee_event tracee_call(struct tracee *tracee, uint64_t function, const uint64_t argument[3],
                              uint64_t top, uint64_t limit_ns, uint64_t *result);

/* Sends again, unchanged, what somebody sent meanwhile: to be called before
 * tracee_give_back(). room: an address in the process's memory where a siginfo_t fits. */
void tracee_send_again(struct tracee *tracee, uint64_t room);

/* Puts everything back as tracee_take found it, and the thread goes on. False: it has ended. */
bool tracee_give_back(struct tracee *tracee);

uint64_t tracee_pc(const struct tracee *tracee);
uint64_t tracee_sp(const struct tracee *tracee);

/* Whether the thread is inside a signal handler: a word on its stack, or its link register, is
 * the address that the kernel's frame of a signal returns to. is_code: whether there is code
 * at an address. stack: takes the newest `words` words of the thread's stack. */
bool tracee_in_handler(const struct tracee *tracee, bool (*is_code)(void *, uint64_t),
                       void *context, uint64_t *stack, size_t words);

/* Whether the thread is within a restartable sequence: rseq(2). The kernel has it begin anew after
 * a stop, but not after something else was called in the thread. */
bool tracee_in_sequence(const struct tracee *tracee);

/* Whether the C library made this thread: it has a control block of its own. */
bool tracee_has_control_block(const struct tracee *tracee);

#endif
#endif
