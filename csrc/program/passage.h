/* SPDX-License-Identifier: MIT
 *
 * passage: what is known of a signal that has been counted, for whoever it is passed on to.
 * A library that stands above us calls us with the siginfo_t that it was called with.
 * The kernel needs less than half of its 128 bytes and clears the rest
 * (copy_siginfo_to_user), so there is room to note it in, and nobody can send it.
 */
#ifndef SIGREC_PASSAGE_H
#define SIGREC_PASSAGE_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct passage {
    uint32_t mark; /* PASSAGE_MARK; its low bits: the places that it has passed, registry.h */
    uint32_t tid;
    uint64_t ordinal;
};

#define PASSAGE_MARK UINT32_C(0x7369c0f0)
#define PASSAGE_PLACES UINT32_C(0xf)
#define PASSAGE_NEAR (UINT64_C(64) << 10) /* what a chain of handlers has on the stack, at most */

/* Signal context, all of these. The passage stands at the end of the siginfo that is passed on. */

static inline void *passage_room(siginfo_t *info) {
    return (char *)info + sizeof *info - sizeof(struct passage);
}

/* False: no handler of ours has passed the signal on, and it has not been counted. */
static inline bool passage_get(siginfo_t *info, struct passage *passage) {
    uint32_t mark;
    memcpy(&mark, passage_room(info), sizeof mark);
    if ((mark & ~PASSAGE_PLACES) != PASSAGE_MARK)
        return false;
    memcpy(passage, passage_room(info), sizeof *passage);
    return true;
}

static inline void passage_set(siginfo_t *info, const struct passage *passage) {
    memcpy(passage_room(info), passage, sizeof *passage);
}

static inline void passage_end(siginfo_t *info) {
    memset(passage_room(info), 0, sizeof(struct passage));
}

/* Whether `info` is a siginfo_t at all. A library that was given our handler by signal(2)
 * calls it with one argument, as it may call CPython's, and the other two are what the
 * registers held. The kernel's siginfo_t is on this stack, above us. */
static inline bool passage_is_siginfo(int signum, const siginfo_t *info) {
    return (uintptr_t)info - (uintptr_t)__builtin_frame_address(0) < PASSAGE_NEAR &&
           info->si_signo == signum;
}

#endif
