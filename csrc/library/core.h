/* SPDX-License-Identifier: MIT
 *
 * core: all that others may call of libsigrec.so, as one table. Its one symbol, sigrec_core(),
 * returns the table: to the binding, which looks for a core that is there already (found.h); to
 * preload.c; and in a process that is attached to, to the tracer,
 * which has a thread call it (attach.c).
 */
#ifndef SIGREC_CORE_H
#define SIGREC_CORE_H

#include "attach/attach.h"
#include "attach/begin.h"
#include "events/event.h"
#include "ground/filter.h"
#include "handler/all.h"
#include "handler/borrow.h"
#include "handler/course.h"
#include "handler/handler.h"
#include "handler/inherit.h"
#include "handler/install.h"
#include "handler/intake.h"
#include "handler/kick.h"
#include "handler/passive.h"
#include "handler/registry.h"
#include "handler/sigbus.h"
#include "handler/trip.h"
#include "handler/wake.h"
#include "host/beside.h"
#include "host/target.h"
#include "interpose/interpose.h"
#include "program/caller.h"
#include "recording/process.h"
#include "recording/publish.h"
#include "recording/retention.h"
#include "recording/spare.h"
#include "tools/flood.h"
#include "tools/send.h"
#include "tools/timer.h"

/* A number of these headers, which setup.py makes of their text: who was compiled with others
 * may not call us. */
#ifndef SIGREC_ABI
#define SIGREC_ABI 0
#endif

/* In any order; each has the type that its header says. */
#define CORE_FUNCTIONS(F)                                                                          \
    F(all_record_one)                                                                              \
    F(all_stop_one)                                                                                \
    F(attach)                                                                                      \
    F(begin)                                                                                       \
    F(begin_attached)                                                                              \
    F(begun)                                                                                       \
    F(beside_subreaper)                                                                            \
    F(borrow_go_on)                                                                                \
    F(borrow_hold)                                                                                 \
    F(borrow_note_mask)                                                                            \
    F(borrow_withholds)                                                                            \
    F(caller_set_python)                                                                           \
    F(course_as_init)                                                                              \
    F(end_attached)                                                                                \
    F(filter_allows)                                                                               \
    F(flood)                                                                                       \
    F(handler_start)                                                                               \
    F(inherit_note)                                                                                \
    F(inherit_over)                                                                                \
    F(inherit_wait)                                                                                \
    F(install_after_fork)                                                                          \
    F(install_again)                                                                               \
    F(install_alternate_stack)                                                                     \
    F(install_handler)                                                                             \
    F(install_keep)                                                                                \
    F(install_note_interpreter)                                                                    \
    F(install_note_place)                                                                          \
    F(install_note_start)                                                                          \
    F(install_on_behalf)                                                                           \
    F(install_on_replace)                                                                          \
    F(install_prepare)                                                                             \
    F(install_refresh_modes)                                                                       \
    F(install_restore)                                                                             \
    F(intake_before_change)                                                                        \
    F(intake_begin)                                                                                \
    F(intake_count)                                                                                \
    F(intake_end)                                                                                  \
    F(intake_pass_on)                                                                              \
    F(intake_set)                                                                                  \
    F(intake_start)                                                                                \
    F(interpose_install)                                                                           \
    F(kick_again)                                                                                  \
    F(kick_main)                                                                                   \
    F(kick_misses)                                                                                 \
    F(kick_prepare)                                                                                \
    F(kick_rest)                                                                                   \
    F(kick_runs)                                                                                   \
    F(kick_settle)                                                                                 \
    F(kick_start)                                                                                  \
    F(passive_ignored)                                                                             \
    F(passive_records)                                                                             \
    F(process_abandoned)                                                                           \
    F(places_first)                                                                                \
    F(process_adopt_spare)                                                                         \
    F(process_adopted)                                                                             \
    F(process_fold)                                                                                \
    F(process_go_private)                                                                          \
    F(process_handled)                                                                             \
    F(process_handles)                                                                             \
    F(process_look)                                                                                \
    F(process_keep)                                                                                \
    F(process_keep_spares)                                                                         \
    F(process_path)                                                                                \
    F(process_pid)                                                                                 \
    F(process_say_goodbye)                                                                         \
    F(process_set_handling)                                                                        \
    F(process_set_mode)                                                                            \
    F(process_set_reason)                                                                          \
    F(process_start)                                                                               \
    F(publish)                                                                                     \
    F(queue_length)                                                                                \
    F(queue_next)                                                                                  \
    F(queue_now)                                                                                   \
    F(queue_passed)                                                                                \
    F(queue_take)                                                                                  \
    F(queue_waits)                                                                                 \
    F(registry_has)                                                                                \
    F(registry_in_place)                                                                           \
    F(registry_queue)                                                                              \
    F(registry_release)                                                                            \
    F(retention_clean)                                                                             \
    F(send_to_pidfd)                                                                               \
    F(send_to_process)                                                                             \
    F(send_to_thread)                                                                              \
    F(sigbus_give_back)                                                                            \
    F(sigbus_take)                                                                                 \
    F(spare_forked)                                                                                \
    F(target_of)                                                                                   \
    F(target_reason)                                                                               \
    F(timer_discard)                                                                               \
    F(timer_end)                                                                                   \
    F(timer_expired)                                                                               \
    F(timer_make)                                                                                  \
    F(timer_start)                                                                                 \
    F(timer_unmake)                                                                                \
    F(trip)                                                                                        \
    F(trip_again)                                                                                  \
    F(trip_clear)                                                                                  \
    F(trip_is_out)                                                                                 \
    F(trip_set)                                                                                    \
    F(trip_settled)                                                                                \
    F(trip_take)                                                                                   \
    F(wake_possible)                                                                               \
    F(wake_post)                                                                                   \
    F(wake_reader)                                                                                 \
    F(wake_reader_begin)                                                                           \
    F(wake_reader_wait)                                                                            \
    F(wake_reader_end)                                                                             \
    F(wake_wait)

struct core {
#define CORE_MEMBER(function) __typeof__(function) *function;
    CORE_FUNCTIONS(CORE_MEMBER)
#undef CORE_MEMBER
};

/* Any context. NULL: this core has another ABI. */
const struct core *sigrec_core(uint32_t abi);

#endif
