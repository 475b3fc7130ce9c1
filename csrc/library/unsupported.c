/* SPDX-License-Identifier: MIT
 *
 * unsupported: what the core answers where the system is not Linux, or where
 * there is no code for the machine. The true form of each is in the file that its
 * header names.
 */
#define _GNU_SOURCE
#include "ground/filter.h"
#include "ground/proc.h"
#include "handler/borrow.h"
#include "handler/course.h"
#include "handler/intake.h"
#include "handler/kick.h"
#include "handler/passive.h"
#include "handler/sigbus.h"
#include "handler/wake.h"
#include "host/beside.h"
#include "interpose/got.h"
#include "interpose/interpose.h"
#include "tools/send.h"
#include "tools/timer.h"

#include <errno.h>

#ifndef __linux__

/* --- proc.h */

uint64_t proc_start_ticks(int32_t pid, char *text, size_t size) {
    (void)pid, (void)text, (void)size;
    return 0;
}

bool proc_names_ours(void) { return false; }

size_t proc_read(const char *path, char *text, size_t size) {
    return (void)path, (void)size, text[0] = 0, (size_t)0;
}

uint64_t proc_namespace(const char *name) { return (void)name, 0; }

/* --- beside.h */

int beside_subreaper(int on) { return (void)on, -1; }

/* --- borrow.h: of what others call */

int borrow_start(void) { return ENOSYS; }
void borrow_allow(int signum, bool may) { (void)signum, (void)may; }
bool borrow_delivered(int signum, void *context, uint64_t now_ns, uint32_t tid) {
    return (void)signum, (void)context, (void)now_ns, (void)tid, false;
}
void borrow_dequeued(int signum, uint64_t now_ns) { (void)signum, (void)now_ns; }
void borrow_kicked(void *context) { (void)context; }
bool borrow_withholds(int signum) { return (void)signum, false; }
void borrow_note_mask(void) {}
void borrow_hold(void) {}
int borrow_mask(borrow_mask_function set_mask, int how, const sigset_t *set, sigset_t *old) {
    return set_mask(how, set, old);
}
void borrow_go_on(void) {}

/* --- intake.h */

int intake_start(void) { return ENOSYS; }
void intake_before_change(uint64_t signals) { (void)signals; }
void intake_set(int signum, bool may, uint64_t moderation_ns, uint64_t limit) {
    (void)signum, (void)may, (void)moderation_ns, (void)limit;
}
void intake_begin(void) {}
void intake_end(void) {}
void intake_pass_on(void) {}
void intake_count(int signum, struct intake_counts *counts) {
    (void)signum, memset(counts, 0, sizeof *counts);
}

/* --- passive.h, course.h */

void course_as_init(int32_t pid) { (void)pid; }

int passive_record(int signum, bool even_ignored, const struct sigaction *program,
                   struct sigaction *found) {
    (void)program, (void)found;
    (void)signum;
    (void)even_ignored;
    return ENOSYS;
}
void passive_stop(int signum) { (void)signum; }
bool passive_any(void) { return false; }
bool passive_records(int signum) {
    (void)signum;
    return false;
}
int passive_sigaction(int signum, const struct sigaction *next, struct sigaction *previous) {
    return sigaction(signum, next, previous);
}
int passive_change(int signum, const struct sigaction *next, struct sigaction *previous,
                   bool *changed) {
    *changed = false;
    return sigaction(signum, next, previous);
}
void passive_note(int signum, enum disposition_how how, const struct sigaction *action,
                  uint32_t site) {
    (void)signum, (void)how, (void)action, (void)site;
}
void passive_apply(int signum) { (void)signum; }
void passive_note_mode(int signum) { (void)signum; }
uint64_t passive_ignored(uint64_t *known) { return *known = 0; }
void passive_before_exec(void) {}
void passive_exec_failed(void) {}
bool passive_ignores(int signum) {
    (void)signum;
    return false;
}
bool course_by_default(int signum, enum signal_default what) {
    (void)signum, (void)what;
    return false;
}
void course_stop_begins(int signum, uint32_t tid, struct course_stop *stop) {
    (void)signum, (void)tid, (void)stop;
}
void course_stop_ends(int signum, struct course_stop *stop) { (void)signum, (void)stop; }
bool passive_handled(int signum) {
    (void)signum;
    return false;
}
void course_default(int signum, const siginfo_t *info, void *context, uint32_t tid,
                    uint64_t ordinal) {
    (void)signum, (void)info, (void)context, (void)tid, (void)ordinal;
}
bool course_take(int signum, siginfo_t *info, void *context, uint32_t tid, uint64_t ordinal,
                 struct course_stop *stop) {
    (void)stop;
    return (void)signum, (void)info, (void)context, (void)tid, (void)ordinal, true;
}

bool course_fault_again(int signum, const siginfo_t *info, void *context) {
    return (void)signum, (void)info, (void)context, false;
}
void course_goes_on(uint64_t now_ns) { (void)now_ns; }

/* --- kick.h */

bool kick_main(int32_t pid) { return (void)pid, false; }
bool kick_misses(int32_t pid, int32_t tid) { return (void)pid, (void)tid, false; }
void kick_prepare(void) {}
bool kick_again(void) { return false; }
bool kick_is_sent(int signum, const siginfo_t *info) { return (void)signum, (void)info, false; }
void kick_rest(void) {}
bool kick_runs(void) { return false; }
bool kick_pause(int signum) { return (void)signum, false; }
void kick_go_on(void) {}
bool kick_settle(int32_t pid, uint64_t most_ns) { return (void)pid, (void)most_ns, true; }

/* --- sigbus.h */

void sigbus_start(void) {}
void sigbus_take(void) {}
void sigbus_give_back(void) {}
void sigbus_before_exec(void) {}
void sigbus_exec_failed(void) {}
bool sigbus_repair(int signum, const siginfo_t *info) { return (void)signum, (void)info, false; }
void sigbus_prevent(void) {}
void sigbus_underlying(struct sigaction *action) { (void)action; }

/* --- interpose.h */

bool interpose_install(void) { return false; }
void interpose_again(void) {}

/* --- send.h */

int send_to_thread(pid_t pid, pid_t tid, int signum, intptr_t value) {
    (void)pid, (void)tid, (void)signum, (void)value;
    return ENOSYS;
}
int send_to_pidfd(int pidfd, int signum, intptr_t value) {
    (void)pidfd, (void)signum, (void)value;
    return ENOSYS;
}

/* --- timer.h */

int timer_make(struct timer *timer, int clock, int signum, pid_t tid, intptr_t value) {
    (void)timer, (void)clock, (void)signum, (void)tid, (void)value;
    return ENOSYS;
}
int timer_start(struct timer *timer, uint64_t first_ns, uint64_t interval_ns) {
    (void)timer, (void)first_ns, (void)interval_ns;
    return ENOSYS;
}
int timer_unmake(const struct timer *timer) {
    (void)timer;
    return ENOSYS;
}
uint64_t timer_expired(const struct timer *timer) { return (void)timer, 0; }
int timer_end(const struct timer *timer, int signum, uint64_t *taken) {
    (void)timer, (void)signum, (void)taken;
    return ENOSYS;
}

/* --- inherit.h */

void inherit_note(void) {}
void inherit_wait(void) {}
void inherit_over(void) {}

/* --- wake.h */

bool wake_possible(void) { return false; }
void wake_post(void) {}
bool wake_reader(void) { return false; }
bool wake_reader_begin(void) { return false; }
bool wake_reader_wait(uint64_t timeout_ns) {
    (void)timeout_ns;
    return false;
}
bool wake_reader_end(void) { return false; }
bool wake_wait(uint64_t timeout_ns) {
    (void)timeout_ns;
    return false;
}

#endif

#if !defined(__linux__) || !(defined(__x86_64__) || defined(__aarch64__))

/* --- filter.h */

uint32_t filter_add(const void *program) { return (void)program, 0; }

/* --- got.h */

void got_add(const char *name, void (*original)(void), void (*replacement)(void)) {
    (void)name, (void)original, (void)replacement;
}

bool got_patch(void (*after)(void)) { return (void)after, false; }

#endif
