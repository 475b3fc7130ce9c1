"""Known-bad changes of the core, and the proof that catches each.

    python -m tests.proof.mutants [--python] [NAME ...]

plants one at a time in a copy of the tree, and runs the proof that must fail: a C test of
tests/core, the stepper, or, with --python, a test of the suite on a build of the extension. A mutant that no
proof catches is a missing proof; then this exits with 1.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.compiling import CC as COMPILER

from . import tags
from .build import ROOT

CC = [COMPILER or "cc", "-std=c11", "-w", "-O2", "-g", "-pthread", "-Icsrc"]
ENOUGH = 60  # seconds; a proof that does not end by then has caught it: it hangs


class Mutant(NamedTuple):
    name: str
    file: str
    old: str  # code that stands in the file once, or after the tag, however it is broken into lines
    new: str
    wrong: str  # what it breaks
    proof: str  # of tests/core, without its ending; "stepper [PATH] INJECTION [STRIDE]"; or a pytest node
    tag: str = ""  # behind which it is planted: tags.py

    @property
    def is_python(self) -> bool:
        return "::" in self.proof

    def places(self, root: Path) -> list[re.Match[str]]:
        source = (root / self.file).read_text()
        words = r"\s+".join(map(re.escape, self.old.split()))
        start = " *" if self.old.startswith(" ") else ""
        code = re.compile(start + words + ("\n" if self.old.endswith("\n") else ""))
        if not self.tag:
            return list(code.finditer(source))
        place = tags.find(self.tag)
        assert place.path == ROOT / self.file
        found = code.search(source, place.offset)
        return [found] if found else []

    def plant(self, root: Path) -> None:
        (place,) = self.places(root)
        source = place.string
        (root / self.file).write_text(source[: place.start()] + self.new + source[place.end() :])


MUTANTS = [
    # --- the ring
    Mutant("publish-early", "csrc/events/ring.c",
           "            continue;\n        if (seq)\n            *replaced =",
           "            continue;\n"
           "        atomic_store_explicit(&slot->sequence, PUBLISHED(t), memory_order_release);\n"
           "        if (seq)\n            *replaced =",
           "a reader takes an event that is half written", "stepper others"),
    Mutant("claim-by-plain-store", "csrc/events/ring.c",
           "        if (!atomic_compare_exchange_strong_explicit(&slot->sequence, &seq, WRITING(t),\n"
           "                                                     memory_order_acquire,"
           " memory_order_relaxed))\n            continue;\n        if (seq)",
           "        atomic_store(&slot->sequence, WRITING(t));\n        if (seq)",
           "two laps write one slot at once", "stepper others"),
    Mutant("ticket-by-plain-store", "csrc/events/ring.c",
           "uint64_t t = atomic_fetch_add_explicit(ring->head, 1, memory_order_relaxed);",
           "uint64_t t = atomic_load(ring->head); atomic_store(ring->head, t + 1);",
           "two producers have one ticket", "stepper others"),
    Mutant("wait-for-an-unfinished-slot", "csrc/events/ring.c",
           "        if ((seq & 1) || seq > 2 * t)\n            continue;",
           "        while (atomic_load(&slot->sequence) & 1)\n            ;\n"
           "        if (seq > 2 * t)\n            continue;",
           "a producer that died wedges all others", "test_ring"),
    Mutant("write-over-an-unfinished-slot", "csrc/events/ring.c",
           "if ((seq & 1) || seq > 2 * t)", "if (seq > 2 * t)",
           "an older lap is still being written there", "test_ring"),
    Mutant("no-second-look", "csrc/events/ring.c",
           "return atomic_load_explicit(&slot->sequence, memory_order_relaxed) == seq;",
           "return true;",
           "a reader takes an event that was written over meanwhile", "test_ring"),
    Mutant("never-full", "csrc/events/ring.c",
           "        if ((int64_t)(t - tail) >= (int64_t)ring->capacity)\n            return false;\n",
           "", "a full queue writes over what was not taken", "test_ring"),
    Mutant("give-up-frees-the-slot", "csrc/events/ring.c",
           "&seq, WRITING(t) | ABANDONED,", "&seq, PUBLISHED(t) | EMPTY,",
           "a producer that comes back late writes into another's event", "test_ring"),
    Mutant("late-producer-keeps-the-slot", "csrc/events/ring.c",
           "((seq & SEQUENCE) + 1) | EMPTY,", "seq,",
           "the slot of a late producer is lost for ever", "stepper late"),
    # --- ledger, queue, recording
    Mutant("fold-by-load", "csrc/events/ledger.c",
           "atomic_exchange_explicit(from, 0, memory_order_relaxed)", "ledger_get(from)",
           "what was counted in a child before it had a recording counts twice", "test_ledger"),
    Mutant("recent-block-kept-by-the-loser", "csrc/events/recent.c",
           "    if (block != NONE_LEFT)\n        atomic_store", "    if (0)\n        atomic_store",
           "two threads that claim at once use up two blocks", "test_recent"),
    Mutant("recent-in-one-slot", "csrc/events/recent.h", "event->ordinal % RECENT_SLOTS", "0",
           "only the newest event of a signal is kept", "test_recent"),
    Mutant("site-of-nothing-yet", "csrc/program/notes.c",
           "    site_copy(change->uid, to->sites);\n"
           "    keep_event(&to->changes[slot], 2 * change->ordinal, change);",
           "    keep_event(&to->changes[slot], 2 * change->ordinal, change);\n"
           "    site_copy(change->uid, to->sites);",
           "a process that is killed in between has a change from nowhere", "stepper sets kill 3"),
    Mutant("site-whole-early", "csrc/program/site.c",
           "    const struct site *from = &sites[number - 1];\n"
           "    struct site *to = &table[number - 1];\n",
           "    const struct site *from = &sites[number - 1];\n"
           "    struct site *to = &table[number - 1];\n"
           "    atomic_store(&to->whole, atomic_load(&to->key) != 0 || number);\n",
           "a reader takes a call site that has no text yet", "stepper sets kill 3"),
    Mutant("site-shared", "csrc/program/site.c", "        else if (now != key)\n            continue;\n", "",
           "two lines have one call site", "test_site"),
    Mutant("masks-in-one-row", "csrc/program/mask.c",
           "return is_main ? signum : SIGREC_NSIG + signum;", "return is_main ? signum : signum;",
           "a pool of threads pushes out who blocked a signal in the main one", "test_mask"),
    Mutant("mask-counted-by-plain-store", "csrc/program/mask.c",
           "atomic_fetch_add_explicit(&ordinals[row], 1, memory_order_relaxed)",
           "(atomic_store(&ordinals[row], atomic_load(&ordinals[row]) + 1),"
           " atomic_load(&ordinals[row]) - 1)",
           "of two changes at once one is lost", "stepper blocks nested 1"),
    Mutant("asker-whole-early", "csrc/events/asker.c",
           "atomic_store_explicit(&asker->sequence, 2 * n + 1, memory_order_relaxed);",
           "atomic_store_explicit(&asker->sequence, 2 * n + 2, memory_order_relaxed);",
           "of a process that is killed in between a sender has no command line",
           "stepper asks kill 3"),
    Mutant("each-parent-has-ended", "csrc/handler/handler.c",
           "filter_allows(FILTERED_PRCTL) && syscall(SYS_getppid) != info->si_pid &&", "filter_allows(FILTERED_PRCTL) &&",
           "a parent that sends a signal is said to have ended", "tests/cli/test_why.py::test_the_end_of_its_parent"),
    Mutant("two-ask-at-once", "csrc/handler/handler.c",
           "atomic_exchange_explicit(&self->asking, 1, memory_order_acquire))", "0)",
           "one sender has the command line of another", "stepper asks others 3"),
    Mutant("asking-for-ever", "csrc/handler/handler.c",
           "    atomic_store_explicit(&self->asking, 0, memory_order_release);\n", "",
           "nobody is looked at any more who asks a process to end", "stepper asks nested 97"),
    Mutant("mask-of-a-vfork-child", "csrc/interpose/interpose_mask.c",
           "if (!caller_is_ours(caller) && !process_writes_nothing(&change.tid)) {",
           "if (!process_writes_nothing(&change.tid) || !caller_is_ours(caller)) {",
           "what a vfork child blocks is its parent's", "test_interpose_mask"),
    Mutant("nearly-all-one-by-one", "csrc/program/mask.c",
           "if (__builtin_popcountll(changed) >= MASK_ALL) {", "if (changed > UINT64_MAX - 1) {",
           "each fork pushes out who blocked a signal", "test_mask"),
    Mutant("anothers-mask-inherited", "csrc/program/mask.c",
           "if (!mask || !is_this_threads(last) || !has_blocked(signum) ||",
           "if (!mask || !has_blocked(signum) ||",
           "a child has what another thread of its parent blocked", "test_mask"),
    Mutant("mask-of-old", "csrc/program/mask.c",
           "if (!mask || !is_this_threads(last) || !has_blocked(signum) ||",
           "if (!mask || !is_this_threads(last) ||",
           "a child has what a thread that ended blocked", "test_mask"),
    Mutant("notes-left-in-the-nursery", "csrc/recording/process.c",
           "return !atomic_load(&process_self->nursery_noted) && !atomic_load(&header->head)",
           "return !atomic_load(&header->head)",
           "what a child changed before it had a recording is lost", "tests/recorder/test_masks.py::test_a_forked_child_has_its_parents"),
    Mutant("each-call-is-a-change", "csrc/program/disposition.c", "    if (is_known_disposition(last, change))",
           "    if (0)", "a loop pushes out who set the signal before", "test_disposition"),
    Mutant("inherit-over-its-own", "csrc/program/disposition.c",
           "            !notes_is_first(&ordinals[signum]))",
           "            atomic_exchange(&ordinals[signum], 1) > 1)",
           "a child that has changed a disposition has its parent's", "test_disposition"),
    Mutant("note-in-a-vfork-child", "csrc/interpose/interpose.c",
           "    if (changed)\n        note_change(signum, DISPOSITION_SIGNAL,",
           "    note_change(signum, DISPOSITION_SIGNAL,",
           "what a vfork child sets is written as its parent's", "test_interpose"),
    Mutant("ask-in-a-handler", "csrc/interpose/interpose.c", "    return !(flags & (int)SA_NODEFER) &&",
           "    return", "Python is asked for its frames in the middle of anything",
           "tests/recorder/test_dispositions.py::test_of_a_recording_that_began_late"),
    Mutant("keep-what-is-older", "csrc/events/keep.c", "    if ((old & 1) || old > place)", "    if (old & 1)",
           "a late thread replaces what is newer", "test_keep"),
    Mutant("keep-over-the-unfinished", "csrc/events/keep.c",
           "    if ((old & 1) || old > place)", "    if (old > place)",
           "two threads write one slot at once", "test_keep"),
    Mutant("undetailed-last", "csrc/events/queue.c",
           "if (any_undetailed && (int64_t)(event->ordinal - state->base - state->consumed) > 0)", "if (0)",
           "signals without detail are handled out of their order", "test_queue"),
    Mutant("handle-what-is-in-flight", "csrc/events/queue.c",
           "        wait_for_producer(queue);\n        return QUEUE_NONE;",
           "        wait_for_producer(queue);\n        return QUEUE_UNDETAILED;",
           "one that is still being written is handled twice", "test_queue"),
    Mutant("impatient", "csrc/events/queue.c",
           "if (!state->stuck_ns || state->stuck_ticket != oldest)", "if (!state->stuck_ns)",
           "a producer pays for the one before it: its event is given up", "test_queue"),
    Mutant("tail-before-head", "csrc/events/ring.c",
           "(int64_t)(head - t) > 0 ?", "head != t ?",
           "a dispatcher gives up a slot that nobody asked for", "test_queue"),
    Mutant("backlog-before-the-ring", "csrc/events/queue.c",
           "state->is_put = in_backlog && (int64_t)(from_backlog.ordinal - event->ordinal) < 0;",
           "state->is_put = in_backlog;",
           "what the intake thread took goes before what came earlier", "test_backlog"),
    Mutant("finished-with-a-backlog", "csrc/events/queue.c",
           "&& (int64_t)(taken - position.put) >= 0", "",
           "who waits until all is handled goes on before it is", "test_backlog"),
    Mutant("taken-where-it-was-not", "csrc/events/queue.c",
           "    else if (state->is_put)", "    else if (backlog_length(&state->backlog))",
           "one is handled twice, and another never", "test_backlog"),
    Mutant("backlog-without-end", "csrc/events/backlog.c",
           "        munmap(chunk, BACKLOG_CHUNK);", "",
           "memory does not go back as a backlog drains", "test_backlog"),
    Mutant("backlog-inherited", "csrc/events/backlog.c",
           "madvise(chunk, BACKLOG_CHUNK, MADV_DONTFORK)", "madvise(chunk, BACKLOG_CHUNK, MADV_NORMAL)",
           "a child has what its parent was sent", "test_backlog"),
    Mutant("one-run-for-all", "csrc/events/backlog.c",
           "event->pid == first->pid &&", "",
           "a signal is said to come from somebody else", "test_backlog"),
    # --- what the dispatcher thread blocks, and what it starts does not
    Mutant("blocked-in-what-is-started", "csrc/handler/inherit.c",
           "at_fork(inherit_begin, NULL, inherit_over)", "at_fork(NULL, NULL, inherit_over)",
           "SIGTERM cannot end what a handler has started", "test_inherit"),
    Mutant("another-thread-begins", "csrc/handler/inherit.c",
           "atomic_load_explicit(&blocking_thread, memory_order_relaxed) == (uintptr_t)pthread_self()",
           "atomic_load_explicit(&blocking_thread, memory_order_relaxed) != 0",
           "another thread that starts something loses what it blocks", "test_inherit"),
    Mutant("dispatcher-of-the-parent", "csrc/handler/inherit.c",
           "at_fork(inherit_begin, NULL, inherit_over)", "at_fork(inherit_begin, NULL, NULL)",
           "a child's thread with the same name is taken for the dispatcher thread", "test_inherit"),
    Mutant("a-vfork-child-ends-it", "csrc/handler/inherit.c",
           "if (!process_is_vfork_child())", "if (true)",
           "a dispatcher thread that has started a program by vfork blocks all in the next", "test_inherit"),
    Mutant("over-and-still-due", "csrc/handler/inherit.c",
           "        atomic_store(&blocking_thread, 0);\n", "        ;\n",
           "what a handler of the dispatcher thread blocks itself is let in", "test_inherit"),
    Mutant("inherit-in-a-sandbox", "csrc/handler/inherit.c",
           "if (!is_due() || !filter_allows(FILTERED_SIGPROCMASK))", "if (!is_due())",
           "a sandboxed program dies of what we do as it starts something", "test_inherit"),
    # --- what the intake thread borrows
    Mutant("borrow-without-a-note", "csrc/handler/borrow.c",
           "    bool noted = atomic_fetch_or(&lender->lent, bit) & bit;", "    bool noted = false;",
           "a thread blocks a signal for ever", "test_intake"),
    Mutant("borrowed-for-the-program-to-see", "csrc/handler/borrow.c",
           "    seen &= ~ours;", "",
           "the program sees blocked what it has not blocked", "test_intake"),
    Mutant("borrow-what-the-program-blocks", "csrc/handler/borrow.c",
           "    borrow_release(ours);", "",
           "what the main thread blocks is taken from under it", "test_intake"),
    Mutant("hold-nothing", "csrc/handler/borrow.c",
           "    take_back(~UINT64_C(0));\n    errno = saved_errno;", "    errno = saved_errno;",
           "a child begins with signals blocked", "test_intake"),
    Mutant("thread-inherits", "csrc/handler/borrow.c",
           "    unblock(inherited);", "",
           "a new thread begins with signals blocked", "test_intake"),
    Mutant("never-given-back", "csrc/handler/intake.c",
           "turn->lent = borrow_kick(kick_and_count) > 0;", "",
           "after a flood a signal stays blocked", "test_intake"),
    Mutant("never-looked-after", "csrc/handler/intake.c",
           "    if (borrow_is_suspect(pending))", "    if (0)",
           "a mask that was put back blocks a signal for ever", "test_intake"),
    Mutant("left-to-the-next-disposition", "csrc/handler/intake.c",
           "        if (registry_in_place(signum))\n            take_what_is_pending(signum);\n", "        ;\n",
           "what was sent to the handler ends the process, by default", "test_intake"),
    Mutant("in-the-programs-table", "csrc/handler/intake.c",
           "syscall(SYS_close_range, 0U, ~0U, CLOSE_RANGE_UNSHARE) == 0;",
           "syscall(SYS_close_range, 0U, ~0U, 0) == 0;",
           "the intake thread closes the program's descriptors", "test_intake"),
    Mutant("ends-a-notification", "csrc/handler/intake.c",
           "        if (syscall(SYS_mq_getsetattr, fd, NULL, NULL) == 0)\n            return false;\n", "        ;\n",
           "the intake thread ends the program's mq_notify()", "test_intake"),
    Mutant("half-of-a-value", "csrc/handler/intake.c",
           "from->ssi_code != SI_TKILL)\n            info->si_value.sival_ptr = (void *)(uintptr_t)from->ssi_ptr;",
           "from->ssi_code != SI_TKILL)\n            info->si_value.sival_int = from->ssi_int;",
           "of many signals that are read at once, half of si_value is lost", "test_intake"),
    Mutant("passed-on-without-descriptors", "csrc/handler/intake.c",
           "    if (!kick_main(process_pid()))\n        intake_pass_on();", "    intake_pass_on();",
           "a handler of the program's runs in a thread that has no descriptors", "test_intake"),
    Mutant("another-disposition-in-a-nap", "csrc/interpose/interpose.c",
           "    intake_before_change(signal_bit(signum));\n", "    borrow_hold();\n    borrow_release(0);\n",
           "what was sent to the handler ends the process, by default", "test_intake"),
    Mutant("taken-away-and-not-told", "csrc/handler/borrow.c",
           "    atomic_store(&borrow->orphans, 1);", "",
           "who has lent what was taken away at once is not kicked", "test_intake"),
    Mutant("lent-while-a-mask-changes", "csrc/handler/borrow.c",
           "if (!lender || kicks_of(atomic_load_explicit(&lender->who, memory_order_relaxed)))", "if (!lender)",
           "what the program blocks is given back, and so let in", "test_intake"),
    Mutant("kicked-while-a-mask-changes", "csrc/handler/borrow.c",
           "        if (is_changing(one))\n            continue;\n", "",
           "what the program has just blocked is let in", "test_intake"),
    Mutant("lent-while-a-thread-is-made", "csrc/handler/borrow.c",
           "&& begin_mask(this_tid());", "&& (find_lender(this_tid()) || make_lender((uint32_t)this_tid()));",
           "a new thread inherits what is lent while it is made", "test_intake"),
    Mutant("kicked-and-forgotten", "csrc/handler/borrow.c",
           "unblock(atomic_fetch_and(&lender->lent, ~back) & back);", "(void)back;",
           "the only kick comes while a mask changes, and is lost", "test_intake"),
    Mutant("two-entries-of-one-thread", "csrc/handler/borrow.c",
           "if (!other || (!drop_lender(one, tid) && !drop_lender(other, tid)))", "if (!other || other)",
           "a signal that comes as a thread asks for its mask seems blocked by the program", "test_borrow"),
    Mutant("forgotten-within-a-handler", "csrc/handler/borrow.c",
           "if (back && may_be_in_handler(one, mask, tid))", "if (0)",
           "what is given back within a handler of the program's stays blocked after it", "test_borrow"),
    Mutant("entry-that-a-kick-has-freed", "csrc/handler/borrow.c",
           "            if (tid_of(who) != tid || !atomic_compare_exchange_strong(&one->who, &who, changing))\n"
           "                continue;\n",
           "            atomic_fetch_or(&one->who, KICKS(1));\n",
           "after a kick a thread's handlers lend what it is just asking for", "test_borrow"),
    Mutant("new-thread-forgets", "csrc/handler/borrow.c",
           "atomic_fetch_and(&lender->lent, mask & ~inherited);", "atomic_store(&lender->lent, 0);",
           "what a new thread's handler lends at once stays blocked", "test_intake"),
    Mutant("new-thread-with-anothers-entry", "csrc/handler/borrow.c",
           "atomic_fetch_and(&lender->lent, mask & ~inherited);", "",
           "a new thread gives back what another had lent, and it has blocked itself", "test_intake"),
    Mutant("late-and-lent", "csrc/handler/intake.c",
           "    borrow_give_back(~UINT64_C(0));\n    borrow_kick(kick_and_count);\n    return NULL;", "    return NULL;",
           "what is lent as the intake thread ends late stays blocked", "test_intake"),
    Mutant("taken-while-somebody-holds", "csrc/handler/borrow.c",
           "owned = atomic_load(&borrow->holds) ? 0 : owned & ~atomic_load(&borrow->blocked);", "",
           "a signal is taken that was just forbidden", "stepper lends held 7"),
    Mutant("lent-to-nobody", "csrc/handler/borrow.c",
           "!borrow_may(signum) || !atomic_load(&borrow->intake_tid)) {", "!borrow_may(signum)) {",
           "a signal that is lent as the intake thread ends is blocked until the next flood",
           "stepper lends ends 11"),
    Mutant("noted-after-it-is-owned", "csrc/handler/borrow.c",
           "    bool noted = atomic_fetch_or(&lender->lent, bit) & bit;\n    set_interrupted_mask(context, mask | bit);\n"
           "    bool begins = !(atomic_fetch_or(&borrow->owned, bit) & bit);",
           "    set_interrupted_mask(context, mask | bit);\n"
           "    bool begins = !(atomic_fetch_or(&borrow->owned, bit) & bit);\n"
           "    bool noted = atomic_fetch_or(&lender->lent, bit) & bit;\n",
           "it goes back before it is noted who has lent it", "stepper lends others 3"),
    Mutant("queue-inherited", "csrc/events/queue.c",
           "memory_wiped(sizeof(struct queue_state) + capacity * sizeof(struct slot))",
           "calloc(1, sizeof(struct queue_state) + capacity * sizeof(struct slot))",
           "a child handles what its parent was sent", "test_queue"),
    Mutant("file-for-the-child-too", "csrc/recording/recording.c",
           "madvise(base, size, MADV_DONTFORK)", "madvise(base, size, MADV_NORMAL)",
           "a child has its parent's recording mapped", "test_recording"),
    Mutant("any-directory", "csrc/recording/file.c",
           "(!any && (st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH))))", "0",
           "another user's directory is written to", "test_recording"),
    Mutant("place-of-another", "csrc/recording/file.c",
           "? linkat(directory, temporary, directory, name, 0)\n"
           "               : linkat(AT_FDCWD, self, directory, name, AT_SYMLINK_FOLLOW)) == 0)",
           "? linkat(directory, temporary, directory, name, 0)\n"
           "               : (unlinkat(directory, name, 0), linkat(AT_FDCWD, self, directory, name,"
           " AT_SYMLINK_FOLLOW))) == 0)",
           "a recording of an earlier process is lost", "test_recording"),
    Mutant("overwritten-not-counted", "csrc/recording/recording.c",
           "ledger_add(&recording->ledger[signo].overwritten, 1);\n    return true;",
           "return true;", "what the history lost cannot be told", "test_recording"),
    # --- the handler
    Mutant("forget-errno", "csrc/handler/handler.c",
           "errno = saved_errno;", "errno = ENOTTY;",
           "the interrupted code reads our errno", "test_handler", tag="errno-kept"),
    Mutant("count-after-the-push", "csrc/handler/handler.c",
           "ledger_add(&ledger->delivered, 1);",
           "if (atomic_load(&ledger->delivered) % 97 != 96) ledger_add(&ledger->delivered, 1);",
           "one in 97 signals is not counted", "test_handler"),
    Mutant("count-by-plain-store", "csrc/handler/handler.c",
           "ledger_add(&ledger->delivered, 1);",
           "atomic_store(&ledger->delivered, atomic_load(&ledger->delivered) + 1);",
           "two threads count one signal", "stepper nested"),
    Mutant("ordinal-by-plain-store", "csrc/handler/handler.c",
           "event->ordinal =\n"
           "        atomic_fetch_add_explicit(&process_self->ordinal[signum], 1, memory_order_relaxed);",
           "event->ordinal = atomic_load(&process_self->ordinal[signum]);\n"
           "    atomic_store(&process_self->ordinal[signum], event->ordinal + 1);",
           "two signals have one ordinal", "stepper nested"),
    Mutant("ignore-uc-sigmask", "csrc/handler/handler.c",
           "signal_bit(signum) & registry_signals() & ~blocked", "signal_bit(signum) & registry_signals()",
           "signals that the program blocked on purpose are taken", "test_handler"),
    Mutant("ignore-uc-sigmask-after-a-hit", "csrc/handler/handler.c",
           "still_ours(registry_signals() & ~blocked & ~set)",
           "still_ours(registry_signals() & ~set)",
           "other signals that the program blocked on purpose are taken", "test_handler"),
    Mutant("take-what-was-replaced", "csrc/handler/handler.c",
           "        if (registry_in_place(signum))\n            ours |= signal_bit(signum);",
           "        ours |= signal_bit(signum);",
           "signals of another library's handler are taken", "test_handler"),
    Mutant("full-mask", "csrc/handler/registry.c",
           "signals_but_faults(&action->sa_mask);", "sigfillset(&action->sa_mask);",
           "a fault inside the handler kills without a handler", "test_handler"),
    Mutant("count-in-a-vfork-child", "csrc/handler/handler.c",
           "    if (pid && now > 0 && now != pid)\n        return 0;", "",
           "a vfork child counts under our name", "test_handler"),
    Mutant("main-thread-in-a-vfork-child", "csrc/recording/process.h",
           "    return !process_vforks && pid &&", "    return pid &&",
           "a vfork child counts under our name", "test_handler"),
    Mutant("main-thread-never-known", "csrc/handler/handler.c",
           "    if (process_in_main(pid))\n        return pid;\n", "",
           "each signal asks the kernel for its thread", "test_handler"),
    Mutant("trip-made-elsewhere", "csrc/handler/trip.c", "tid == (uint32_t)", "tid != (uint32_t)",
           "the main thread is not kicked out of its call", "test_trip"),
    Mutant("never-dequeue", "csrc/handler/handler.c",
           "now - last < CLOSE_NS && context &&", "0 &&",
           "each signal costs its own delivery: a burst merges", "test_handler"),
    Mutant("swallow-after-unregister", "csrc/handler/handler.c",
           "        abandon(signum, info, context, event.tid, event.ordinal, place);", "        ;",
           "whoever is chained above us loses what was below", "test_handler"),
    Mutant("on-the-way-by-default", "csrc/handler/handler.c",
           "!(atomic_load(&registry[signum].apart) & 1U << place)", "true",
           "what was on its way when a library's handler was given back ends the process", "test_handler"),
    Mutant("set-since-is-passed-over", "csrc/handler/handler.c",
           "place >= atomic_load(&entry->places)", "place > REGISTRY_PLACES",
           "what was on its way when the program set another handler ends the process", "test_handler"),
    Mutant("signals-let-in-while-a-spare-is-taken", "csrc/recording/process.c",
           "pthread_sigmask(SIG_SETMASK, &all, &before) == 0;", "pthread_sigmask(SIG_SETMASK, NULL, &before) == 0;",
           "a child that is ended as its hook takes a spare leaves none", "settler settles kill 17"),
    Mutant("taken-by-a-signal-and-not-adopted", "csrc/recording/process.c",
           "!take_spare(SPARE_MISSED) && process_recording() != &spare)", "!take_spare(SPARE_MISSED))",
           "a child that had a signal before its hook has a recording that it does not know of",
           "settler settles nested 17"),
    Mutant("spare-before-the-mask", "csrc/recording/process.c",
           "atomic_load_explicit(state, memory_order_relaxed) != from)",
           "!atomic_compare_exchange_strong(state, &from, SPARE_WANTED)) return false; if (!(from = SPARE_WANTED))",
           "a child that is ended as its hook takes a spare leaves none", "test_spare"),
    Mutant("counted-again", "csrc/handler/handler.c",
           "    else if (passage_get(info, &passage))", "    else if (0)",
           "what a library above us passes on counts twice", "test_passive"),
    Mutant("counted-again-beneath-the-adopted", "csrc/handler/handler.c",
           "adopted_any(signum) && course_called_by_adopted(", "0 && course_called_by_adopted(",
           "what a library passes on that set its handler without us counts twice", "stepper adopts nested 97"),
    Mutant("looked-at-under-a-lock", "csrc/program/adopted.c",
           "        unsigned version = atomic_load(&adopted->version), count = atomic_load(&adopted->count);\n"
           "        found = level < count;\n        if (found)\n"
           "            *before = adopted->before[count - 1 - level];\n"
           "        if (!(version & 1) && atomic_load(&adopted->version) == version)\n",
           "        if (!begin_adopted_change(&adopted_stacks[signum]))\n            return false;\n"
           "        found = level < adopted->count;\n        if (found)\n"
           "            *before = adopted->before[adopted->count - 1 - level];\n"
           "        end_adopted_change(&adopted_stacks[signum]);\n        if (true)\n",
           "a handler that interrupts another's look passes the program's over", "stepper adopts nested 7"),
    Mutant("looked-at-while-it-changes", "csrc/program/adopted.c",
           "if (!(version & 1) && atomic_load(&adopted->version) == version)", "if (true)",
           "a handler is called with what belongs to another", "test_interpose"),
    Mutant("one-place-for-all", "csrc/handler/handler.c",
           "        on_registered(signum, info, context, place); ", "        on_registered(signum, info, context, 0); ",
           "a library between two of ours is left out", "test_handler"),
    Mutant("places-forgotten", "csrc/handler/handler.c",
           "        passage.mark |= 1U << place;\n", "",
           "a library that stands twice in a chain is called for ever", "test_handler"),
    Mutant("any-argument-is-a-siginfo", "csrc/handler/handler.c",
           "    if (!passage_is_siginfo(signum, info))", "    if (0)",
           "who calls us with one argument makes us read what is not there", "test_handler"),
    Mutant("passed-on-uncounted", "csrc/handler/handler.c",
           "    ledger_add(&ledger->abandoned, 1);\n", "",
           "what came while a signal was unregistered is missing in the sum", "test_handler"),
    Mutant("dequeued-and-forgotten", "csrc/handler/handler.c",
           "            if (taken.mode != MODE_REGISTERED)", "            if (0)",
           "one that is unregistered while it is dequeued is swallowed", "test_handler"),
    Mutant("kept-for-ever", "csrc/handler/install.c",
           "    if (atomic_load(&kept_signal) != signum)\n        return false;", "",
           "a program cannot set a handler any more", "test_interpose"),
    Mutant("detach-ends-all", "csrc/handler/all.c",
           "if (can_be_recorded(signum) && !is_wanted(signum))", "if (can_be_recorded(signum))",
           "a detach ends what the program itself has had recorded", "test_all"),
    Mutant("the-program-ends-all", "csrc/handler/all.c",
           "    if (!is_wanted(signum))", "    if (1)",
           "the end of a record() ends what an attach records", "test_all"),
    Mutant("nobody-holds", "csrc/handler/all.c",
           "for (int tries = 0; !all_hold() && tries < 10000; tries++)", "for (int tries = 0; tries < 0; tries++)",
           "an attach and a record() at once: one of the two is lost", "test_all"),
    Mutant("held-for-good", "csrc/handler/all.c",
           "    all_let_go();\n    return error;", "    return error;",
           "after one record() no attach begins", "test_all"),
    # --- the trip, the wake-up, the process
    Mutant("trip-once-for-ever", "csrc/handler/trip.c",
           "if ((int64_t)(now_ns - then) >= (int64_t)TRIP_AGAIN_NS)", "if (0)",
           "a trip that CPython swallowed stops dispatch for ever", "test_handler"),
    Mutant("trip-each-time", "csrc/handler/trip.c",
           "        return;\n    }\n    if (atomic_compare", "    }\n    if (atomic_compare", "the program's wakeup fd is filled up", "test_handler"),
    Mutant("wake-nobody", "csrc/handler/wake.c",
           "if (!atomic_exchange_explicit(futex_word, 1, memory_order_release))",
           "if (atomic_exchange_explicit(futex_word, 1, memory_order_release))",
           "the dispatcher thread sleeps on", "test_wake"),
    Mutant("wait-before-looking", "csrc/handler/wake.c",
           "    if (atomic_exchange_explicit(futex_word, 0, memory_order_acquire))\n        return true;\n",
           "    atomic_store(futex_word, 0);\n",
           "what was posted before the wait is lost", "test_wake"),
    Mutant("reader-told-and-not-woken", "csrc/handler/wake.c",
           "    if (seen == READER_WAITS)\n        wake_one(futex_word);\n", "",
           "a reader that waits to drain sleeps on", "test_wake"),
    Mutant("keep-the-parents-recording", "csrc/ground/memory.c",
           "madvise(pages, size, MADV_WIPEONFORK)", "madvise(pages, size, MADV_NORMAL)",
           "a child counts where its parent counts", "test_handler"),
    Mutant("not-wiped-by-hand", "csrc/ground/memory.c", "memset(pages, 0, regions[i].size);", ";",
           "where the kernel cannot wipe, a child counts where its parent counts", "test_memory"),
    Mutant("signals-let-in-while-it-forks", "csrc/ground/memory.c",
           "        pthread_sigmask(SIG_BLOCK, &all, &forks->mask);",
           "        pthread_sigmask(SIG_SETMASK, NULL, &forks->mask);",
           "a signal in a child that is not wiped yet finds its parent's recording", "test_memory"),
    Mutant("region-never-free", "csrc/ground/memory.c", "    memory_leave(start);\n", "",
           "what another has mapped there is wiped", "test_memory"),
    # --- what it sends, and is told
    Mutant("result-by-plain-store", "csrc/recording/sent.c",
           "atomic_compare_exchange_strong_explicit(&call->written[i]->word[RESULT_WORD], &unknown,\n"
           "known, memory_order_relaxed, memory_order_relaxed);",
           "((void)unknown, atomic_store(&call->written[i]->word[RESULT_WORD], known));",
           "a late result is written into another's event", "test_sent"),
    Mutant("ordinal-not-in-the-result", "csrc/recording/sent.c",
           "    event->timerid = (int32_t)event->ordinal;\n", "",
           "a late result is written into another's event of the same kind", "test_sent"),
    Mutant("endings-in-the-flood", "csrc/recording/sent.c",
           "        ends_or_stops(event->signo) ? ring_push", "        0 ? ring_push",
           "one SIGKILL is lost behind a million of SIGUSR1", "test_sent"),
    Mutant("sent-known-at-once", "csrc/recording/sent.c",
           "    event->detail = SENT_UNKNOWN;\n", "    event->detail = 0;\n",
           "a SIGKILL that was refused, or never came back, looks as if it went well", "test_sent"),
    Mutant("sent-counted-by-plain-store", "csrc/recording/sent.c",
           "event->ordinal = ledger_add(&recording->ledger[event->signo].sent, 1);",
           "event->ordinal = atomic_load(&recording->ledger[event->signo].sent);\n"
           "    atomic_store(&recording->ledger[event->signo].sent, event->ordinal + 1);",
           "of two that are sent at once one is counted", "stepper sends nested 2"),
    Mutant("told-before-it-is-taken", "csrc/interpose/interpose_send.c",
           "    if (child.si_pid > 0 && !(options & WNOWAIT) &&", "    if (child.si_pid > 0 &&",
           "a child's end is told each time that somebody looks", "test_interpose_send"),
    Mutant("sent-in-a-vfork-child", "csrc/interpose/interpose_send.c",
           "    if (process_writes_nothing(&sent.tid))",
           "    if (process_writes_nothing(&sent.tid) && 0)",
           "what a vfork child sends is its parent's", "test_interpose_send"),
    Mutant("vfork-unseen", "csrc/interpose/interpose.c", '    INTERPOSE("vfork", vfork, our_vfork);', "",
           "what a vfork child sends is its parent's", "test_interpose_send"),
    Mutant("vforks-of-its-parent", "csrc/recording/process.c", "    if (sees_vforks && process_vforks)", "    if (false)",
           "a forked child asks the kernel for what its parent's thread did", "test_interpose_send"),
    Mutant("target-of-any-age", "csrc/interpose/interpose_send.c",
           "        sent.datum = another ? proc_start_ticks(pid, text, sizeof text) : 0;\n", "",
           "whoever had that PID before is taken for the target", "test_interpose_send"),
    Mutant("group-of-old", "csrc/interpose/interpose_send.c",
           "        process_in_group(group, session);\n", "        ;\n",
           "whom a signal to a group reached is not known", "test_interpose_send"),
    # --- recordings for forked children
    Mutant("spare-claimed-by-plain-store", "csrc/recording/spare.c",
           "            atomic_compare_exchange_strong(&next->recording.header->pid, &nobody, pid))",
           "            ((void)nobody, atomic_store(&next->recording.header->pid, pid), true))",
           "two children have one recording", "test_spare"),
    Mutant("spare-over-a-recording", "csrc/recording/spare.c", "path, RENAME_NOREPLACE) == 0)", "path, 0) == 0)",
           "a recording of an earlier process is lost", "test_spare"),
    Mutant("spare-made-again-while-it-is-used", "csrc/recording/spare.c",
           "        atomic_store_explicit(&spare->there, false, memory_order_relaxed);\n    } else {",
           "    } else {", "a child that forks unmaps its own recording", "test_spare"),
    Mutant("spare-as-old-as-its-file", "csrc/recording/spare.c", "    recording_begins(recording, began_ns(recording, known));",
           "    recording_anchor(recording);\n    (void)began_ns;", "what was done to an earlier process with its PID is joined with it", "test_spare"),
    Mutant("spare-in-its-parents-pid-namespace", "csrc/recording/spare.c",
           "return syscall(SYS_getppid) == forking.pid ? forking.namespace : places_namespace();",
           "return forking.namespace;",
           "the first process of a container is taken for one of the host's", "test_spare"),
    Mutant("spare-by-its-parents-clock", "csrc/recording/spare.c",
           "ticks <= 1 && ns < SAME_CLOCK_NS ? parents", "ticks + ns ? parents",
           "what one in another time namespace did is joined by the wrong clock", "test_spare"),
    Mutant("spare-old-though-nothing-changed", "csrc/recording/spare.c", "    if (!same)", "    if (same || !same)",
           "eight children look into /proc twice a second", "test_spare"),
    Mutant("spare-of-who-was-there-first", "csrc/recording/spare.c",
           "bool same = now && owner_is_same(owner, child_owner(now));", "bool same = now;",
           "a child has what its parent has changed meanwhile", "test_spare"),
    Mutant("spare-never-described-again", "csrc/recording/spare.c",
           "    if (atomic_load_explicit(&in_spare_forked, memory_order_relaxed))\n", "    if (0)\n",
           "a child has its children look into /proc for ever", "test_spare"),
    Mutant("spare-for-nobody-stays-mapped", "csrc/recording/spare.c", "            with_signals_blocked(drop_spare, spare);", "            (void)0;",
           "each child has eight recordings mapped that are others'", "test_spare"),
    Mutant("spare-of-the-one-before", "csrc/recording/spare.c", "look_after_spare(&spares[n], all_spares || n == first % SPARES);",
           "look_after_spare(&spares[n], all_spares || n == (first - 1) % SPARES);",
           "two children have the same first, and of eight some have none", "test_spare"),
    Mutant("spare-in-grandchildren", "csrc/recording/spare.c", "    if (taken_spare.shared)\n        recording_not",
           "    if (0)\n        recording_not",
           "a child's child has its recording mapped, too", "test_spare"),
    Mutant("mode-stays-recorded", "csrc/recording/recording.c",
           "    if (atomic_load_explicit(recorded, memory_order_relaxed) & bit)\n", "    if (0)\n",
           "a signal that is left alone is shown as recorded", "test_passive"),
    Mutant("spare-not-given-up", "csrc/recording/spare.c",
           "        atomic_store_explicit(&header->pid, RETIRED, memory_order_relaxed);\n",
           "        atomic_store_explicit(&header->pid, 0, memory_order_relaxed);\n",
           "a file that was removed is offered for ever", "test_spare"),
    Mutant("spare-never-made-again", "csrc/recording/spare.c",
           "    if (!is_free_spare(spare)) {", "    if (!atomic_load(&spare->there)) {",
           "once all are taken, no child has a recording any more", "test_spare"),
    Mutant("kick-the-wrong-one", "csrc/handler/kick.c",
           "    bool kicked = pid && kick_it(pid, pid) == KICKED;\n", "    bool kicked = false;\n",
           "the main thread sleeps on in its call", "test_kick"),
    Mutant("kick-counted", "csrc/handler/handler.c",
           "    if (kick_sent(signum, info)) {", "    if (0) {",
           "a signal that we sent ourselves is counted as the program's", "test_kick"),
    Mutant("kick-without-a-look", "csrc/handler/kick.c",
           "    if (now.sa_handler != SIG_DFL && !kick_is(&now))\n        return false;",
           "", "a program's own SIGURG handler is replaced for a moment", "test_kick"),
    Mutant("kick-over-the-program", "csrc/handler/kick.c",
           "    if (now.sa_handler == SIG_DFL || kick_is(&now))\n        return true;\n",
           "    return true;\n",
           "a program's own SIGURG handler is replaced", "test_kick"),
    Mutant("kick-says-nothing", "csrc/handler/kick.c",
           "    if (function)\n        function(false);", "",
           "before CPython 3.13 a loop of the main thread does not see what a thread tripped",
           "test_kick"),
    Mutant("kicked-as-the-disposition-changes", "csrc/handler/kick.c",
           " || atomic_load(&process_self->kick_paused) == signum", "",
           "a kick comes to the handler that the program has just set", "test_kick"),
    Mutant("kicks-of-a-parent", "csrc/handler/kick.c",
           "    if (process_pid() == pid)\n        atomic_fetch_sub(", "    atomic_fetch_sub(",
           "a child that a handler forks waits for a kick that nobody sends", "test_kick"),
    Mutant("kick-waited-for-in-vain", "csrc/handler/kick.c",
           "    if (function)\n        function(true);", "",
           "what waits for a kick waits for ever, once the program uses the signal", "test_kick"),
    Mutant("no-timer-no-kick", "csrc/handler/kick.c",
           "run_kick_thread(pid) ? BY_THREAD : 0", "0",
           "where the queue of signals is full the main thread sleeps on", "test_kick"),
    Mutant("timer-ended-unseen", "csrc/handler/kick.c",
           " && repeated_kick.handlers == handlers", "",
           "no kick comes any more once the signal was ignored for a moment", "test_kick"),
    Mutant("kicks-stopped-for-another-signal", "csrc/handler/kick.c",
           "    stop_kicks(signum);", "    stop_kicks(atomic_load(&repeated_kick.running));",
           "who sets the one signal's handler stops kicks by the other", "test_kick"),
    Mutant("kick-blocked-away", "csrc/interpose/interpose_mask.c",
           "        kick_blocked();", "        ;",
           "what waits for a kick waits for as long as the program blocks its signal",
           "tests/handling/test_dispatch.py::test_a_program_that_blocks_the_kick_has_all_handled"),
    Mutant("kick-that-ends-no-call", "csrc/handler/kick.c",
           " && !(now.sa_flags & SA_RESTART)", "",
           "after siginterrupt(SIGURG, False) a kick ends no call", "test_kick"),
    Mutant("kick-registered-away", "csrc/handler/install.c",
           "    bool kicks = kick_pause(signum);\n    int error = passive_sigaction(",
           "    bool kicks = false;\n    int error = passive_sigaction(",
           "what waits for a kick waits for ever, once its signal is registered", "test_kick"),
    Mutant("kick-recorded-away", "csrc/handler/passive.c",
           "    if (kick_may_use(signum) &&", "    if (0 &&",
           "kicks end when a recording begins, or when somebody looks at it", "test_kick"),
    Mutant("made-again-unseen", "csrc/handler/trip.c",
           "    atomic_fetch_add(&self->again_begun[signum], 1);\n", "",
           "a second call for one trip is taken for a simulated signal", "test_trip"),
    Mutant("any-handler-is-the-interpreters", "csrc/handler/install.c",
           " && interpreter_handler && now.sa_handler == interpreter_handler &&", " &&",
           "a library that only calls CPython's handler is thrown out", "tests/handling/test_dispatch.py::test_a_library_that_simulates_keeps_its_place"),
    # --- SIGBUS
    Mutant("any-sigbus-is-ours", "csrc/recording/recording.c",
           "    if (at < base || at - base >= recording->size)\n        return false;\n", "",
           "another mapping's fault goes round for ever", "test_sigbus"),
    Mutant("repaired-from-zero", "csrc/handler/sigbus.c",
           "        ledger_add(&to->delivered, taken);\n        ledger_add(&to->recorded",
           "        ledger_add(&to->recorded",
           "what was counted before the file was truncated is lost", "test_sigbus"),
    Mutant("repaired-with-what-is-in-hand", "csrc/handler/sigbus.c",
           "    return taken - state->base - state->consumed - queue_length(&entry->queue);",
           "    return 0 * state->base;",
           "a signal is counted as handled before it is, and then once more", "test_sigbus"),
    Mutant("who-am-i-each-time", "csrc/handler/passive.c",
           "    if (next && process_is_vfork_child()) {", "    if (process_is_vfork_child() && next) {",
           "asking for a disposition costs a system call",
           "tests/recorder/test_record.py::test_what_changes_signals_or_processes_asks_who_it_is"),
    Mutant("much-of-the-stack", "csrc/handler/course.c",
           "    if (!action_calls(&program)) {",
           "    char volatile much[4096];\n    much[0] = 0;\n    if (!action_calls(&program)) {",
           "a signal runs over the end of a small alternate stack", "test_stack"),
    Mutant("attach-drops-what-was-sent", "csrc/attach/tracee.c",
           "tracee->kept[tracee->kept_count++] = info;", ";",
           "a fault that somebody sends while the library is loaded is lost", "test_attach"),
    Mutant("attach-within-a-sequence", "csrc/attach/tracee.c",
           "tracee_pc(tracee) - sequence.from < sequence.length);", "0);",
           "a restartable sequence goes on after a call, and is not made anew", "test_attach"),
    Mutant("attach-does-not-ask-for-a-sequence", "csrc/attach/attach.c",
           "} else if (code->unsafe || tracee_in_sequence(tracee)) {", "} else if (code->unsafe) {",
           "a restartable sequence goes on after a call, and is not made anew",
           "tests/recorder/test_attach.py::test_no_harm_is_done[sequence]"),
    Mutant("attach-above-a-handler", "csrc/attach/tracee.c",
           "        if (is_code(context, stack[i]) && is_sigreturn(tracee, stack[i]))\n            return true;",
           "",
           "what a handler has interrupted, malloc say, is called once more", "test_attach"),
    Mutant("adopted-ours-is-put-back", "csrc/handler/passive.c",
           "    if (!kept)\n        action_get(signum, action);", "    (void)kept;",
           "a library puts back what it found, and our handler calls itself for ever", "test_interpose"),
    Mutant("adopted-calls-itself", "csrc/handler/course.c",
           "unsigned level = passage.mark & PASSAGE_PLACES;", "unsigned level = 0;",
           "of two libraries, the second calls the first for ever", "test_interpose"),
    Mutant("routine-faults-fill-the-history", "csrc/handler/handler.c",
           "event->ordinal >= RECENT_SLOTS && is_routine(signum, info)", "false",
           "what a JVM does with null pointers pushes all others out",
           "tests/recorder/test_preload.py::test_faults_that_a_program_lives_on_leave_room_for_others"),
    Mutant("the-first-signal-finds-no-room", "csrc/handler/handler.c",
           "    if (!atomic_load_explicit(&self->anchored_ns, memory_order_relaxed))", "    if (0)",
           "a full /dev/shm kills a thread that blocks SIGBUS", "test_sigbus"),
    Mutant("blocked-before-there-is-room", "csrc/interpose/interpose_mask.c",
           "        sigbus_prevent();\n", "        ;\n",
           "a program that blocks SIGBUS dies where others have filled /dev/shm",
           "tests/recorder/test_faults.py::test_no_room_is_left_where_sigbus_is_blocked"),
    Mutant("retention-by-proc-alone", "csrc/recording/retention.c",
           "(filter_allows(FILTERED_KILL) && (kill((pid_t)pid, 0) == 0 || errno != ESRCH))", "false",
           "the recording of a process that /proc hides is removed while it lives", "test_retention"),
    Mutant("sigbus-kept", "csrc/handler/sigbus.c",
           "    bus_taken = false;\n    if (is_on_bus(&now))\n        sigaction(SIGBUS, &bus_before, NULL);", "",
           "the program's SIGBUS is never given back", "test_sigbus"),
    Mutant("sigbus-caught-through-exec", "csrc/interpose/interpose_exec.c",
           "    sigbus_before_exec();\n", "",
           "what the program execs does not ignore what it ignores",
           "tests/recorder/test_faults.py::test_an_ignored_sigbus_is_ignored_after_an_exec"),
    Mutant("last-writes-unprotected", "csrc/handler/handler.c", "    sigbus_start();\n", "",
           "a truncated file kills at the end of the program",
           "tests/recorder/test_faults.py::test_sigbus_is_given_back_when_the_last_user_stops"),
    Mutant("sent-sigbus-swallowed", "csrc/handler/sigbus.c",
           "    if (!truncation_comes_again(info))", "    if (0)",
           "a SIGBUS that someone sent does nothing", "test_sigbus"),
    Mutant("sigbus-shows", "csrc/handler/sigbus.c",
           "    if (is_on_bus(action))\n        *action = bus_before;", "    (void)action;",
           "the program finds a handler of SIGBUS that it never set", "test_sigbus"),
    Mutant("sigbus-blocked-by-the-program", "csrc/handler/passive.c",
           "        sigdelset(&ours->sa_mask, SIGBUS);", "        ;",
           "a truncated file kills where the program's handler blocks all signals", "test_sigbus"),
    Mutant("faults-blocked-while-cancelling", "sigrec/_core_registrations.pxi",
           "    sigemptyset(&signal_alone)\n    if sigismember",
           "    sigemptyset(&signal_alone)\n    sigaddset(&signal_alone, SIGBUS)\n    if sigismember",
           "a file that was truncated kills in cancel()",
           "tests/recorder/test_faults.py::test_truncated_and_the_next_thing_is_a_call_of_ours"),
    # --- recording without registering
    Mutant("default-blocked", "csrc/handler/course.c",
           "if (!change_mask_until_return(SIG_UNBLOCK, signum) && sent)", "if (!sent && sent)",
           "a default action that was asked for does not come", "test_passive"),
    Mutant("default-left-open", "csrc/handler/course.c", "change_mask_until_return(SIG_BLOCK, signum); } else", "} else",
           "a stop signal comes again inside the handler", "test_passive"),
    Mutant("fault-for-ever", "csrc/handler/handler.c",
           " || course_fault_again(signum, info, context)))", "))",
           "a fault whose handler gave up is recorded twice, and ends by the wrong one", "test_passive"),
    Mutant("raised-without-room-is-another", "csrc/handler/fault.c",
           "(info->si_pid == process_pid() || lost_siginfo(info))", "info->si_pid == process_pid()",
           "a fault whose handler raised it, beside another process that floods, is recorded twice", "test_passive"),
    Mutant("probe-not-forgotten", "csrc/handler/fault.c",
           "    return our_frame < frame && frame - our_frame < HANDLER_STACK;", "    return frame;",
           "what is raised after a probe of memory is taken for the probe's fault", "test_passive"),
    Mutant("ending-not-retracted", "csrc/handler/course.c",
           "    if (!then || now - then < UINT64_C(1000000000))\n        return;\n", "    return;\n",
           "a process that goes on reads as one that ended", "test_passive"),
    Mutant("stopped-though-continued", "csrc/handler/course.c",
           "action == SIGNAL_STOPS && stop->continued;", "false;",
           "a stop that SIGCONT cancelled is for ever", "test_passive"),
    Mutant("continued-without-a-trace", "csrc/handler/handler.c",
           "            course_stop_begins(signum, event.tid, &stop);", "            ;",
           "where another thread takes the SIGCONT, the stop is for ever", "test_passive"),
    Mutant("stop-not-taken-back", "csrc/handler/handler.c",
           "        course_stop_ends(signum, &stop);", "        ;",
           "a stop signal that another handler has comes to that again and again", "test_passive"),
    Mutant("no-last-resort", "csrc/handler/course.c",
           "(action == SIGNAL_ENDS && send_by_timer(signum))", "false",
           "one who may not send itself signals ends otherwise", "test_passive"),
    Mutant("filter-not-asked", "csrc/ground/filter.c",
           "return atomic_fetch_or(&filter_denied, denied);", "return filter_denied;",
           "a sandboxed program dies of what our handler does", "test_filter"),
    Mutant("vfork-child-writes-the-table", "csrc/handler/passive.c",
           "    if (next && process_is_vfork_child()) {", "    if (0) {",
           "a vfork child changes its parent's dispositions", "test_passive"),
    Mutant("names-those-outside", "csrc/ground/proc.c",
           "text_number(text) != (uint64_t)syscall(SYS_getpid)", "false",
           "in a PID namespace without its own /proc a sender has another's name", "test_spare"),
    Mutant("looks-once", "csrc/ground/proc.c",
           "    if (atomic_load_explicit(&names_others, memory_order_relaxed))\n        proc_start_ticks(0, text, sizeof text);", "    (void)text;",
           "a container's init that has mounted its own /proc by now names nobody", "test_proc"),
    Mutant("a-proc-without-us", "csrc/ground/proc.c",
           "(field ? filter_allows(FILTERED_GETPID) : is_absent)", "(field && filter_allows(FILTERED_GETPID))",
           "names are read from a /proc of a namespace in which we have no PID", "test_proc"),
    Mutant("names-one-sender", "csrc/events/sender.c", "#define PROBES 16", "#define PROBES 1",
           "senders that share a place are not told apart", "test_sender"),
    Mutant("lookup-not-redirected", "csrc/interpose/got.c",
           "    patch_new_objects();\n    if (handle", "    if (handle",
           "what is loaded later sets dispositions without us", "test_interpose"),
    Mutant("dlsym-next-redirected", "csrc/interpose/got.c", "handle != RTLD_NEXT", "1",
           "an interposer finds itself", "test_interpose"),
    Mutant("own-definitions-redirected", "csrc/interpose/got.c",
           "if (symbol->st_shndx != SHN_UNDEF)", "if (0)",
           "a library's own function of that name is lost", "test_interpose"),
    Mutant("read-only-though-writable", "csrc/interpose/got.c",
           "           madvise((void *)page, size, MADV_POPULATE_WRITE) != 0;", "           true;",
           "what the loader still writes to becomes read-only", "test_interpose"),
    Mutant("left-though-exec-failed", "csrc/interpose/interpose_exec.c",
           '    process_leaving(EXIT_KIND_NONE, 0, "");', "",
           "a process that goes on reads as one that left", "test_interpose"),
    # --- timers
    Mutant("unmade-before-it-is-taken", "csrc/tools/timer.c",
           "    *taken = take_pending_expirations(signum, 1);\n", "    *taken = 0;\n",
           "expirations of a timer whose signal is blocked are lost at cancel()",
           "tests/handling/test_timers.py::test_what_is_pending_at_cancel_is_counted"),
    # --- the binding
    Mutant("drain-before-clearing", "sigrec/_core.pyx",
           "            trip_clear(mine.signums, mine.count)\n    while (came",
           "            pass\n    while (came",
           "the next signal does not wake",
           "tests/handling/test_dispatcher.py::test_while_the_main_thread_is_in_c"),
    Mutant("round-and-round", "csrc/handler/install.c",
           "    if (!ends) {", "    if (0) {",
           "a library that calls us is called by us, for ever",
           "tests/handling/test_dispatch.py::test_a_chain_of_handlers_ends_once_at_what_was_first"),
    Mutant("reported-among-others", "sigrec/_core.pyx",
           "            if mine == &in_main and not is_idle(mine):", "            if False:",
           "the report of an exception is lost behind the next one", "tests/handling/test_dispatch.py::test_the_first_exception_is_reported_and_the_others_are_counted"),
    Mutant("simulated-swallowed", "sigrec/_core.pyx",
           "        if not owed[signum]:\n            return True\n", "        if not owed[signum]:\n            return False\n",
           "_thread.interrupt_main() does nothing", "tests/handling/test_dispatch.py::test_a_simulated_ctrl_c_is_a_keyboard_interrupt_once"),
    Mutant("slow-batch-to-the-end", "sigrec/_core.pyx",
           "    return spent > BATCH_NS\n", "    return False\n",
           "slow handlers leave the main thread no time", "tests/handling/test_dispatch.py::test_slow_handlers_leave_the_main_thread_time_between_them"),
    Mutant("not-armed-after-an-exception", "sigrec/_core.pyx",
           "arm(mine)", "pass",
           "what waits behind a handler that raised is not handled", "tests/handling/test_dispatch.py::",
           tag="rest-armed"),
    Mutant("moved-and-forgotten", "sigrec/_core.pyx",
           "    if to_thread[signum] != (mine == &in_thread):", "    if False:",
           "a signal that moves to the main thread while its handler runs is not handled",
           "tests/handling/test_dispatch.py::test_a_signal_that_moves_to_the_main_thread_while_its_handler_runs"),
    Mutant("waits-for-a-kick-that-ended", "sigrec/_core.pyx",
           "resting = 0", "pass",
           "a signal is not handled, as it waits for a kick after the last one",
           "tests/handling/test_dispatch.py::test_what_comes_when_all_is_handled_waits_for_no_kick",
           tag="rest-over"),
    Mutant("handled-twice", "sigrec/_core.pyx",
           "            call_with_two(handler.function, handler.number, frame)\n",
           "            call_with_two(handler.function, handler.number, frame)\n"
           "            if b.e.ordinal == 50: call_with_two(handler.function, handler.number, frame)\n",
           "one signal is handled more than once", "tests/handling/test_flood.py::"),
    Mutant("handled-after-the-call", "sigrec/_core.pyx",
           "        process_handles(signum, n, since)\n", "        process_handles(signum, 0, since)\n",
           "a handler that raises leaves its signal pending for ever", "tests/handling/test_dispatch.py::"),
    Mutant("trip-of-the-one-before", "sigrec/_core_registrations.pxi",
           "anew = _before is None and handler is not None and thread", "anew = False",
           "the dispatcher thread is not woken for a handler that follows another",
           "tests/handling/test_dispatcher.py::test_who_registers_right_after_another_is_woken"),
    Mutant("waits-for-itself", "sigrec/_core_waiting.pxi",
           "    if in_dispatcher():\n        from", "    if False:\n        from",
           "a handler of the dispatcher thread waits for signals that only that thread brings",
           "tests/test_reentry.py::test_the_dispatcher_thread_does_not_wait_for_itself[wait]"),
    Mutant("green-main-thread", "sigrec/_core_registrations.pxi",
           "    if is_main_thread():\n        return 0\n    import threading\n",
           "    import threading\n    if threading.current_thread() is threading.main_thread():\n        return 0\n",
           "where a library has green threads, nothing can be registered in the main one",
           "tests/test_reentry.py::test_green_threads[threading-after]"),
    Mutant("half-begun", "sigrec/_core.pyx",
           "        check_made(error)\n        self.made = True",
           "        begin_change()\n        enter(handler, queue_capacity, UNTOUCHED, dropped)\n"
           "        end_change()\n        check_made(error)\n        self.made = True",
           "a timer that cannot start leaves its signal registered",
           "tests/handling/test_timers.py::test_what_the_kernel_refuses_leaves_nothing_registered"),
    Mutant("not-kept", "sigrec/_core_registrations.pxi",
           "if interposed:", "if False:",
           "CPython's handler takes what comes while a signal changes hands",
           "tests/handling/test_concurrency.py::test_cpythons_handler_is_not_in_place_while_a_signal_changes_hands"),
]  # fmt: skip


class Lab:
    """A copy of the tree; its core, and its extension without a mutant, are built once at most."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        for name in ("csrc", "sigrec", "tests", "examples", "benchmarks"):
            shutil.copytree(
                ROOT / name, directory / name,
                ignore=shutil.ignore_patterns("__pycache__", "*.so", "_core.c"),
            )  # fmt: skip
        for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, directory)
        self._extension: list[Mutant | None] = []  # with which mutant it was built last

    @functools.cached_property
    def objects(self) -> dict[str, Path]:
        """The core without a mutant, and beside it the libraries that its tests open."""
        (self.directory / "o").mkdir()
        objects = {}
        for source in sorted((self.directory / "csrc").glob("*/*.c")):
            objects[source.stem] = self.directory / "o" / f"{source.stem}.o"
            self.compile(source, objects[source.stem])
        for library, how in {"now.so": "-Wl,-z,relro,-z,now", "lazy.so": "-Wl,-z,lazy"}.items():
            self.run([*CC, "-fPIC", "-shared", how, "-o", library, "tests/core/program.c", "-ldl"])
        return objects

    def run(self, command: list[str], **options) -> None:
        subprocess.run(command, cwd=self.directory, check=True, **options)

    def compile(self, source: Path, to: Path) -> None:
        self.run([*CC, "-c", str(source), "-o", str(to)])

    def _compiled_with(self, file: Path) -> list[Path]:
        """Of the core: the file itself, or those that include it."""
        if file.suffix == ".c":
            return [file]
        include = f'#include "{file.parent.name}/{file.name}"'
        return [one for one in (self.directory / "csrc").glob("*/*.c")
                if file.suffix == ".h" and include in one.read_text()]  # fmt: skip

    def try_out(self, mutant: Mutant | None, proof: str) -> tuple[bool, str]:
        """Whether the proof holds, and in what words it fails."""
        objects = {} if "::" in proof else dict(self.objects)
        if mutant is None:
            return self._prove(proof, mutant, objects)
        original = (self.directory / mutant.file).read_text()
        mutant.plant(self.directory)
        try:
            for source in self._compiled_with(self.directory / mutant.file) if objects else ():
                objects[source.stem] = self.directory / f"mutant-{source.stem}.o"
                self.compile(source, objects[source.stem])
            return self._prove(proof, mutant, objects)
        finally:
            (self.directory / mutant.file).write_text(original)

    def _prove(
        self, proof: str, mutant: Mutant | None, objects: dict[str, Path]
    ) -> tuple[bool, str]:
        if "::" in proof:
            if self._extension != [mutant]:
                self.run([sys.executable, "setup.py", "-q", "build_ext", "--inplace", "--force"],
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
                self._extension = [mutant]
            node = proof.removesuffix("::")
            command = [sys.executable, "-m", "pytest", "-q", "-x", "--tb=line", node]
        else:
            test, *how = proof.split()
            source = f"tests/{'proof' if how else 'core'}/{test}.c"
            bound = ["-Wl,-z,now"] if how else []
            core = map(str, objects.values())
            self.run([*CC, *bound, "-o", "test", source, *core, "-ldl"])
            command = ["./test", "./now.so", "./lazy.so"]
            if how:
                command = ["./test", ".", *(["alone"] if len(how) == 1 else []), *how]
        # The suite and the stepper need longer than a C test, on a busy machine above all.
        return self._outcome(command, 5 * ENOUGH if "::" in proof or " " in proof else ENOUGH)

    def _outcome(self, command: list[str], timeout: float) -> tuple[bool, str]:
        process = subprocess.Popen(
            command, cwd=self.directory, text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": str(self.directory)},
        )  # fmt: skip
        try:
            output, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            kill_session(process.pid)
            process.communicate()
            return False, "does not end"
        words = [line for line in output.splitlines() if line.strip()]
        if process.returncode < 0:
            return False, f"dies of signal {-process.returncode}"
        failed = [line for line in words if line.startswith(("FAILED", "E  "))] or words or [""]
        return process.returncode == 0, failed[-1].strip()[-90:]


def kill_session(leader: int) -> None:
    """All of it: a child in a process group of its own, too, which may hold our pipe open."""
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        with contextlib.suppress(ProcessLookupError):
            if os.getsid(int(pid)) == leader:
                os.kill(int(pid), 9)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these")
    parser.add_argument("--python", action="store_true", help="those of the binding too (minutes)")
    arguments = parser.parse_args()
    chosen = [m for m in MUTANTS if m.name in arguments.names or not arguments.names]
    if not arguments.names and not arguments.python:
        chosen = [m for m in chosen if not m.is_python]
    survivors = []
    with tempfile.TemporaryDirectory() as directory:
        lab = Lab(Path(directory))
        for proof in dict.fromkeys(m.proof for m in chosen):
            holds, how = lab.try_out(None, proof)
            if not holds:
                print(f"{proof} fails without a mutant: {how}")
                return 1
        for mutant in chosen:
            survived, how = lab.try_out(mutant, mutant.proof)
            if survived:
                survivors.append(mutant.name)
            verdict = "SURVIVES " if survived else "caught by"
            print(f"{mutant.name:30} {verdict} {mutant.proof:14} {how}\n{'':30} {mutant.wrong}",
                  flush=True)  # fmt: skip
    print(f"{len(chosen)} mutants, {len(chosen) - len(survivors)} caught")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
