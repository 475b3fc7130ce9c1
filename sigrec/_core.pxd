# The C core, header by header; no logic here. Its functions are in
# another library, behind a table: core.h.
from libc.stdint cimport int32_t, intptr_t, uint32_t, uint64_t
from posix.types cimport pid_t

cdef extern from "<signal.h>" nogil:
    ctypedef struct sigset_t:
        pass
    int sigemptyset(sigset_t *)
    int sigaddset(sigset_t *, int)
    int sigismember(const sigset_t *, int)
    int sigpending(sigset_t *)
    int pthread_sigmask(int how, const sigset_t *, sigset_t *)
    int SIGBUS
    int SIGPIPE
    int SIGURG
    int SIGXFSZ
    int SIG_BLOCK
    int SIG_SETMASK

cdef extern from "found.h" nogil:
    const char *found_core()
    const char *found_other()
    const char *found_own()

cdef extern from "events/event.h" nogil:
    int SIGREC_NSIG
    cdef struct event:
        uint64_t monotonic_ns
        uint64_t ordinal
        uint32_t signo
        int32_t code
        int32_t pid
        uint32_t uid
        uint64_t datum
        uint32_t tid
        int32_t error
        int32_t detail
        int32_t timerid

cdef extern from "events/ledger.h" nogil:
    ctypedef enum ledger_mode "enum ledger_mode":
        MODE_RELEASED
        MODE_REGISTERED
        MODE_UNREGISTERED
        MODE_RECORDED

cdef extern from "recording/recording.h" nogil:
    cdef struct recording_header:
        pass
    cdef struct recording:
        recording_header *header
        size_t size
        bint published

cdef extern from "events/queue.h" nogil:
    cdef struct queue:
        pass
    ctypedef enum queue_item "enum queue_item":
        QUEUE_NONE
        QUEUE_EVENT
        QUEUE_UNDETAILED
    ctypedef struct queue_place "struct queue_position":
        pass
    uint64_t queue_length "core->queue_length"(const queue *)
    queue_place queue_now "core->queue_now"(const queue *)
    bint queue_passed "core->queue_passed"(const queue *, queue_place)
    queue_item queue_next "core->queue_next"(const queue *, event *)
    void queue_take "core->queue_take"(const queue *, queue_item)
    bint queue_is_empty(const queue *)
    bint queue_waits "core->queue_waits"(const queue *)

cdef extern from "recording/process.h" nogil:
    int process_start "core->process_start"()
    const recording *process_adopted "core->process_adopted"()
    int process_publish "core->process_publish"(const char *directory, const char *name,
                                                bint any_directory, bint keep, uint64_t capacity)
    int process_go_private "core->process_go_private"(uint64_t capacity)
    int process_adopt_spare "core->process_adopt_spare"(uint64_t ignored, uint64_t known)
    int process_keep_spares "core->process_keep_spares"(const char *directory, bint keep,
                                                        uint64_t capacity)
    void process_keep "core->process_keep"()
    void process_fold "core->process_fold"()
    void process_say_goodbye "core->process_say_goodbye"()
    void process_handled "core->process_handled"(int signum, uint64_t n)
    void process_abandoned "core->process_abandoned"(int signum, uint64_t n)
    void process_set_mode "core->process_set_mode"(int signum, ledger_mode mode, bint replaced)
    int32_t process_pid "core->process_pid"()
    void process_set_reason "core->process_set_reason"(const char *reason)
    void process_handles "core->process_handles"(int signum, uint64_t n, uint64_t since_ns)
    ctypedef struct process_now "struct process_now":
        uint64_t last_ns
        int32_t pid
        bint adopted
    process_now process_look "core->process_look"()
    void process_set_handling "core->process_set_handling"(int signum, uint64_t since_ns)
    const char *process_path "core->process_path"()

cdef extern from "handler/trip.h" nogil:
    ctypedef enum trip_from "enum trip_from":
        TRIP_FROM_MAIN
        TRIP_FROM_THREAD
        TRIP_FROM_INTAKE
    void trip_set "core->trip_set"(void (*function)(int, trip_from) noexcept nogil)
    void trip "core->trip"(int signum, uint64_t now_ns, uint32_t tid)
    void trip_again "core->trip_again"(int signum, uint64_t now_ns, uint32_t tid)
    ctypedef enum trip_call "enum trip_call":
        TRIP_NOT_OURS
        TRIP_OURS
        TRIP_OR_TWO
    trip_call trip_take "core->trip_take"(int signum, uint64_t *since, uint32_t *again)
    bint trip_is_out "core->trip_is_out"(int signum)
    bint trip_settled "core->trip_settled"(int signum)
    void trip_clear "core->trip_clear"(const int *signums, int count)

cdef extern from "handler/wake.h" nogil:
    bint wake_possible "core->wake_possible"()
    void wake_post "core->wake_post"()
    bint wake_wait "core->wake_wait"(uint64_t timeout_ns)
    bint wake_reader "core->wake_reader"()
    bint wake_reader_begin "core->wake_reader_begin"()
    bint wake_reader_wait "core->wake_reader_wait"(uint64_t timeout_ns)
    bint wake_reader_end "core->wake_reader_end"()

cdef extern from "handler/sigbus.h" nogil:
    void sigbus_take "core->sigbus_take"()
    void sigbus_give_back "core->sigbus_give_back"()

cdef extern from "events/signals.h" nogil:
    uint64_t signal_bit(int signum)
    void signals_but_faults(sigset_t *set)

cdef extern from "handler/registry.h" nogil:
    void registry_release "core->registry_release"(int signum)
    bint registry_in_place "core->registry_in_place"(int signum)
    bint registry_has "core->registry_has"(int signum)
    queue *registry_queue "core->registry_queue"(int signum)

cdef extern from "ground/filter.h" nogil:
    enum filtered:
        FILTERED_OPEN
    bint filter_allows "core->filter_allows"(filtered call)

cdef extern from "handler/handler.h" nogil:
    void handler_start "core->handler_start"()

cdef extern from "handler/install.h" nogil:
    int install_prepare "core->install_prepare"(int signum, uint64_t queue_capacity)
    int install_handler "core->install_handler"(int signum, bint restart)
    bint install_restore "core->install_restore"(int signum, bint force)
    void install_keep "core->install_keep"(int signum)
    void install_note_place "core->install_note_place"(int signum)
    ctypedef void (*c_handler)(int) noexcept nogil
    c_handler install_note_interpreter "core->install_note_interpreter"(int signum)
    bint install_again "core->install_again"(int signum, bint restart)
    void install_note_start "core->install_note_start"(int signum, bint inherited)
    void install_on_behalf "core->install_on_behalf"(int signum)
    void install_after_fork "core->install_after_fork"()
    void install_refresh_modes "core->install_refresh_modes"()
    void install_alternate_stack "core->install_alternate_stack"(uint64_t *size, uint64_t *needed)

cdef extern from "handler/install.h":
    void install_on_replace "core->install_on_replace"(void (*before)(int) noexcept,
                                                       void (*after)(int) noexcept)

cdef extern from "handler/course.h" nogil:
    void course_as_init "core->course_as_init"(int32_t pid)

cdef extern from "handler/all.h" nogil:
    int all_record_one "core->all_record_one"(int signum, bint even_ignored)
    void all_stop_one "core->all_stop_one"(int signum)

cdef extern from "handler/passive.h" nogil:
    bint passive_records "core->passive_records"(int signum)
    uint64_t passive_ignored "core->passive_ignored"(uint64_t *known)

cdef extern from "recording/publish.h" nogil:
    ctypedef struct where_options "struct publish_options":
        const char *file
        bint keep, former_stays
        uint64_t capacity
    int make_recording "core->publish"(const where_options *, char *notes, size_t size)

cdef extern from "host/places.h" nogil:
    bint places_first "core->places_first"(char *directory, const char *without)

cdef extern from "recording/retention.h" nogil:
    size_t retention_clean "core->retention_clean"(const char *directory, size_t most, size_t keep,
                                                   char *others, size_t size)

cdef extern from "host/target.h" nogil:
    ctypedef enum target_kind "enum target":
        TARGET_UNREADABLE
    target_kind target_of "core->target_of"(const char *path, const char *library, size_t size)
    const char *target_reason "core->target_reason"(target_kind target)

cdef extern from "attach/attach.h" nogil:
    """
    /* An array of the three, which Cython would not see as one. */
    static char *attach_directory(struct attach_request *request, int n) {
        return request->begin.directory[n];
    }
    """
    int BEGIN_DIRECTORIES
    int PLACES_SIZE
    cdef struct begin_request:
        uint64_t capacity
    cdef struct attach_request:
        pid_t pid
        bint end
        const char *library
        begin_request begin
    cdef struct attach_result:
        int end
        int error
        uint32_t stops
        uint64_t stopped_ns
        char text[512]
    char *attach_directory(attach_request *request, int n)
    int attach_to "core->attach"(const attach_request *, attach_result *)

cdef extern from "attach/begin.h" nogil:
    bint begun "core->begun"()

cdef extern from "handler/borrow.h" nogil:
    void borrow_go_on "core->borrow_go_on"()
    void borrow_hold "core->borrow_hold"()
    void borrow_note_mask "core->borrow_note_mask"()
    bint borrow_withholds "core->borrow_withholds"(int signum)

cdef extern from "handler/inherit.h" nogil:
    void inherit_note "core->inherit_note"()
    void inherit_wait "core->inherit_wait"()
    void inherit_over "core->inherit_over"()

cdef extern from "handler/intake.h" nogil:
    ctypedef struct intake_counts "struct intake_counts":
        uint64_t taken
        uint64_t switches
        uint64_t bytes
        uint64_t naps
        uint64_t kicks
    int intake_start "core->intake_start"()
    void intake_set "core->intake_set"(int signum, bint may, uint64_t moderation_ns,
                                       uint64_t limit)
    void intake_before_change "core->intake_before_change"(uint64_t signals)
    void intake_begin "core->intake_begin"()
    void intake_end "core->intake_end"()
    void intake_pass_on "core->intake_pass_on"()
    void intake_count "core->intake_count"(int signum, intake_counts *counts)

cdef extern from "interpose/interpose.h" nogil:
    bint interpose_install "core->interpose_install"()

cdef extern from "handler/kick.h" nogil:
    void kick_start "core->kick_start"(void (*arrived)(bint over) noexcept nogil)
    bint kick_main "core->kick_main"(int32_t pid)
    bint kick_misses "core->kick_misses"(int32_t pid, int32_t tid)
    void kick_prepare "core->kick_prepare"()
    bint kick_again "core->kick_again"()
    void kick_rest "core->kick_rest"()
    bint kick_runs "core->kick_runs"()
    bint kick_settle "core->kick_settle"(int32_t pid, uint64_t most_ns)

cdef extern from "tools/send.h" nogil:
    int send_to_process "core->send_to_process"(pid_t pid, int signum, intptr_t value)
    int send_to_thread "core->send_to_thread"(pid_t pid, pid_t tid, int signum, intptr_t value)
    int send_to_pidfd "core->send_to_pidfd"(int pidfd, int signum, intptr_t value)

cdef extern from "recording/spare.h" nogil:
    void spare_forked "core->spare_forked"()

cdef extern from "host/beside.h" nogil:
    int beside_subreaper "core->beside_subreaper"(int on)

cdef extern from "tools/timer.h" nogil:
    ctypedef struct timer_struct "struct timer":
        int32_t pid
    int timer_make "core->timer_make"(timer_struct *timer, int clock, int signum, pid_t tid,
                                      intptr_t value)
    int timer_start "core->timer_start"(timer_struct *timer, uint64_t first_ns,
                                        uint64_t interval_ns)
    int timer_unmake "core->timer_unmake"(const timer_struct *timer)
    uint64_t timer_expired "core->timer_expired"(const timer_struct *timer)
    int timer_end "core->timer_end"(const timer_struct *timer, int signum, uint64_t *taken)
    int timer_discard "core->timer_discard"(int signum)

cdef extern from "ground/clock.h" nogil:
    uint64_t monotonic_ns()
    uint64_t monotonic_tick_ns()
    uint64_t tick_ns()
    uint64_t clock_ns(int clock)
    int CLOCK_MONOTONIC
    int CLOCK_REALTIME

cdef extern from "tools/flood.h" nogil:
    cdef struct flood_plan:
        int pid
        int signum
        uint64_t count
        bint queue
        uint64_t limit_ns
        uint64_t every_ns
    cdef struct flood_result:
        uint64_t sent
        uint64_t refused
        uint64_t elapsed_ns
    int flood_send "core->flood"(const flood_plan *, flood_result *)
