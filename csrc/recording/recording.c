/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "recording/recording.h"

#include "events/signals.h"
#include "ground/clock.h"
#include "ground/filter.h"
#include "ground/glibc.h"
#include "ground/memory.h"
#include "ground/text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 4096
#define FILL_MOST (1U << 20) /* in a handler: some ten microseconds */

struct layout {
    uint64_t argv, ledger, senders, recent, identity, sent, endings, children, dispositions, sites,
        masks, ring, size;
};

static uint64_t round_up(uint64_t n) { return (n + PAGE - 1) & ~(uint64_t)(PAGE - 1); }

static struct layout layout_for(uint64_t capacity) {
    struct layout at;
    /* What is always written stands at a recording's beginning: a short program pays for each page
     * that it touches. */
    at.identity = PAGE;
    at.argv = at.identity + sizeof(struct owner_identity);
    at.ledger = round_up(at.argv + OWNER_ARGV_SIZE);
    at.senders = at.ledger + round_up(SIGREC_NSIG * sizeof(struct ledger_entry));
    at.recent = at.senders + round_up(SENDER_ENTRIES * sizeof(struct sender_entry));
    at.sent = at.recent + round_up(RECENT_BLOCKS * RECENT_SLOTS * sizeof(struct slot));
    at.endings = at.sent + round_up(RECORDING_SENT * sizeof(struct slot));
    at.children = at.endings + round_up(RECORDING_ENDINGS * sizeof(struct slot));
    at.dispositions = at.children + round_up(RECORDING_CHILDREN * sizeof(struct slot));
    at.sites = at.dispositions + round_up(SIGREC_NSIG * DISPOSITION_SLOTS * sizeof(struct slot));
    at.masks = at.sites + round_up(SITE_ENTRIES * sizeof(struct site));
    at.ring = at.masks + round_up(MASK_ROWS * MASK_SLOTS * sizeof(struct slot));
    at.size = at.ring + round_up(capacity * sizeof(struct slot));
    return at;
}

/* --- making one ------------------------------------------------------------ */

static void write_owner(struct recording_header *header, const struct layout *at,
                        const struct owner *owner) {
    header->uid = geteuid();
    header->start_ticks = owner->start_ticks;
    header->pid_namespace = owner->pid_namespace;
    memcpy((char *)header + at->argv, owner->argv, owner->argv_size);
    memcpy((char *)header + at->identity, &owner->identity, sizeof owner->identity);
}

/* Writes all but the pid, which stays 0. owner: NULL: the recording belongs to no process. */
static void write_header(struct recording_header *header, uint64_t capacity,
                         const struct owner *owner) {
    struct layout at = layout_for(capacity);
    memcpy(header->magic, RECORDING_MAGIC, sizeof header->magic);
    header->endian = RECORDING_ENDIAN;
    header->version = RECORDING_VERSION;
    header->minor = RECORDING_MINOR;
    header->header_size = PAGE;
    header->file_size = at.size;
    header->sections_offset = offsetof(struct recording_header, sections);
    header->sections_count = RECORDING_SECTIONS;
    header->sections_entry = sizeof(struct recording_section);
    const struct recording_section sections[RECORDING_SECTIONS] = {
        {SECTION_ARGV, 0, at.argv, 1, 0, owner ? owner->argv_size : 0},
        {SECTION_LEDGER, SECTION_ESSENTIAL, at.ledger, sizeof(struct ledger_entry), 0, SIGREC_NSIG},
        {SECTION_SENDERS, 0, at.senders, sizeof(struct sender_entry), 0, SENDER_ENTRIES},
        {SECTION_HISTORY, SECTION_ESSENTIAL, at.ring, sizeof(struct slot), 0, capacity},
        {SECTION_RECENT, 0, at.recent, sizeof(struct slot), 0, RECENT_BLOCKS * RECENT_SLOTS},
        {SECTION_IDENTITY, 0, at.identity, sizeof(struct owner_identity), 0, 1},
        {SECTION_SENT, 0, at.sent, sizeof(struct slot), 0, RECORDING_SENT},
        {SECTION_ENDINGS, 0, at.endings, sizeof(struct slot), 0, RECORDING_ENDINGS},
        {SECTION_CHILDREN, 0, at.children, sizeof(struct slot), 0, RECORDING_CHILDREN},
        {SECTION_DISPOSITIONS, 0, at.dispositions, sizeof(struct slot), 0,
         SIGREC_NSIG * DISPOSITION_SLOTS},
        {SECTION_SITES, 0, at.sites, sizeof(struct site), 0, SITE_ENTRIES},
        {SECTION_MASKS, 0, at.masks, sizeof(struct slot), 0, MASK_ROWS * MASK_SLOTS},
    };
    memcpy(header->sections, sections, sizeof sections);
#ifdef SIGRTMIN
    header->sigrtmin = SIGRTMIN;
    header->sigrtmax = SIGRTMAX;
#endif
    header->started_ns = clock_ns(CLOCK_REALTIME);
    if (!owner)
        return;
    memcpy(header->id, owner->id, sizeof header->id);
    memcpy(header->boot_id, owner->boot_id, sizeof header->boot_id);
    write_owner(header, &at, owner);
}

static struct ring ring_at(void *slots, uint64_t capacity, _Atomic uint64_t *head) {
    return (struct ring){slots, capacity, head, NULL};
}

static void find_parts(struct recording *recording, void *base, uint64_t capacity, bool published) {
    struct layout at = layout_for(capacity);
    char *bytes = base;
    recording->header = base;
    recording->ledger = (struct ledger_entry *)(void *)(bytes + at.ledger);
    recording->senders = (struct sender_entry *)(void *)(bytes + at.senders);
    recording->identity = (struct owner_identity *)(void *)(bytes + at.identity);
    recording->history = ring_at(bytes + at.ring, capacity, &recording->header->head);
    recording->sent = ring_at(bytes + at.sent, RECORDING_SENT, &recording->header->sent_head);
    recording->endings =
        ring_at(bytes + at.endings, RECORDING_ENDINGS, &recording->header->endings_head);
    recording->children =
        ring_at(bytes + at.children, RECORDING_CHILDREN, &recording->header->children_head);
    recording->recent.slots = (struct slot *)(void *)(bytes + at.recent);
    recording->recent.owner = recording->header->recent_owner;
    struct site *sites = (struct site *)(void *)(bytes + at.sites);
    recording->dispositions = (struct notes){(struct slot *)(void *)(bytes + at.dispositions),
                                             sites, SIGREC_NSIG, DISPOSITION_SLOTS};
    recording->masks =
        (struct notes){(struct slot *)(void *)(bytes + at.masks), sites, MASK_ROWS, MASK_SLOTS};
    recording->size = at.size;
    recording->published = published;
    recording->as_written = false;
    recording->stand_in = NULL;
}

static void make_recording_at(struct recording *recording, void *base, uint64_t capacity,
                              bool published, const struct owner *owner) {
    if (owner)
        write_header(base, capacity, owner);
    find_parts(recording, base, capacity, published);
    if (!owner)
        return; /* no reader sees it, and a forked child finds it wiped */
    atomic_store_explicit(&recording->header->pid, getpid(), memory_order_relaxed);
    recording_anchor(recording);
}

int recording_private(struct recording *recording, uint64_t capacity, const struct owner *owner) {
    void *base = memory_wiped(layout_for(capacity).size);
    if (!base)
        return errno;
    make_recording_at(recording, base, capacity, false, owner);
    return 0;
}

#ifdef __linux__
/* Private memory that was never written, for the one recording that a process adopts. Its forked
 * child finds it wiped, and uses it for its own recording. */
static _Atomic(void *) private_memory;
static size_t private_size;
#endif

/* Reserves private memory for a recording, and writes nothing there yet: a short program would pay
 * for the pages. */
static void have_private(struct recording *recording, const struct owner *owner) {
#ifdef __linux__
    if (!atomic_load(&private_memory) || private_size != recording->size) {
        private_size = recording->size;
        atomic_store(&private_memory, memory_wiped(recording->size));
    }
    recording->stand_in = private_memory;
    recording->owner = owner;
#else
    (void)recording;
    (void)owner;
#endif
}

int recording_publish(struct recording *recording, const char *directory, const char *name,
                      bool any_directory, bool as_written, uint64_t capacity,
                      const struct owner *owner) {
    uint64_t size = layout_for(capacity).size;
    char temporary[64];
    char *at = text_put_number(text_put(temporary, "."), (uint64_t)getpid());
    text_put(text_put_number(text_put(at, "."), monotonic_ns()), ".tmp");
    int dir, fd = -1, error;
    bool named = false;
    void *base = MAP_FAILED;
    if ((error = file_open_directory(directory, any_directory, &dir)))
        return error;
    struct stat st;
    if ((error = file_open_unnamed(dir, temporary, &named, &fd)) ||
        (error = file_let_owner_read(fd, &st)) ||
        (error = as_written ? file_reserve(fd, size) : file_fill(fd, size)))
        goto out;
    base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (base == MAP_FAILED) {
        error = errno;
        goto out;
    }
#ifdef MADV_DONTFORK
    /* A child must not have this mapping at all. */
    if (madvise(base, size, MADV_DONTFORK) != 0) {
        error = errno;
        goto out;
    }
#endif
    make_recording_at(recording, base, capacity, true, owner);
    recording->as_written = as_written;
    have_private(recording, owner);
    error = file_give_name(dir, fd, temporary, named, name);
out:
    if (error && base != MAP_FAILED)
        munmap(base, size);
    if (named)
        unlinkat(dir, temporary, 0);
    if (fd >= 0)
        close(fd); /* the mapping stays, and no descriptor of ours that a program could close */
    close(dir);
    return error;
}

int recording_spare(struct recording *recording, struct file *file, const char *directory,
                    const char *name, uint64_t capacity, const struct owner *owner) {
    uint64_t size = layout_for(capacity).size;
    int dir, error = file_open_directory(directory, false, &dir);
    struct stat st;
    if (error)
        return error;
    int fd = openat(dir, name, O_CREAT | O_EXCL | O_NOFOLLOW | O_RDWR | O_CLOEXEC, 0600);
    error = fd < 0 ? errno : file_let_owner_read(fd, &st);
    error = error ? error : file_reserve(fd, size);
    void *base = MAP_FAILED;
    if (!error) {
        base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        error = base == MAP_FAILED ? errno : 0;
    }
    if (!error) {
        write_header(base, capacity, owner);
        find_parts(recording, base, capacity, true);
        recording->as_written = true;
        recording_anchor(recording);
        *file = (struct file){NULL, st.st_dev, st.st_ino};
    }
    if (error && fd >= 0)
        unlinkat(dir, name, 0);
    if (fd >= 0)
        close(fd);
    close(dir);
    return error;
}

void recording_set_owner(struct recording *recording, const struct owner *owner) {
    struct recording_header *header = recording->header;
    struct layout at = layout_for(recording->history.capacity);
    write_owner(header, &at, owner);
    for (int n = 0; n < RECORDING_SECTIONS; n++)
        if (header->sections[n].type == SECTION_ARGV)
            header->sections[n].count = owner->argv_size;
    recording_keep(recording, owner);
}

void recording_keep(struct recording *recording, const struct owner *owner) {
    have_private(recording, owner);
}

void recording_not_for_children(struct recording_header *header, size_t size) {
#ifdef MADV_DONTFORK
    madvise(header, size, MADV_DONTFORK);
#else
    (void)header;
    (void)size;
#endif
}

bool recording_repair(struct recording *recording, const void *address,
                      void (*recount)(struct ledger_entry *ledger)) {
    uintptr_t base = (uintptr_t)recording->header, at = (uintptr_t)address;
    if (at < base || at - base >= recording->size)
        return false;
#ifdef __linux__
    static char taken;
    void *stand_in = atomic_exchange(&recording->stand_in, &taken);
    if (!stand_in || !filter_allows(FILTERED_MREMAP))
        return false;
    if (stand_in == &taken)
        return true; /* another thread is doing it */
    atomic_store(&private_memory, NULL);
    struct recording private;
    make_recording_at(&private, stand_in, recording->history.capacity, false, recording->owner);
    recount(private.ledger);
    atomic_store(&recording->published, false);
    memory_leave(stand_in);
    /* mremap(2) does this in one step for all threads. The private memory keeps its
     * MADV_WIPEONFORK. */
    return mremap(stand_in, recording->size, recording->size, MREMAP_MAYMOVE | MREMAP_FIXED,
                  (void *)base) != MAP_FAILED;
#else
    (void)recount;
    return false;
#endif
}

bool recording_fill(struct recording *recording) {
#ifdef __linux__
    if (!atomic_load_explicit(&recording->as_written, memory_order_relaxed) ||
        atomic_load_explicit(&filter_denied, memory_order_relaxed) ||
        !atomic_exchange(&recording->as_written, false))
        return true;
    int saved_errno = errno;
    size_t size = recording->size < FILL_MOST ? recording->size : FILL_MOST;
    /* EFAULT: to write to the recording would raise SIGBUS. A kernel before 5.14 cannot tell. */
    bool there = madvise(recording->header, size, MADV_POPULATE_WRITE) == 0 || errno != EFAULT;
    errno = saved_errno;
    return there;
#else
    (void)recording;
    return true;
#endif
}

void recording_clear_mode(const struct recording *recording, int signum) {
    _Atomic uint64_t *recorded = &recording->header->recorded;
    uint64_t bit = signal_bit(signum);
    if (atomic_load_explicit(recorded, memory_order_relaxed) & bit)
        atomic_fetch_and_explicit(recorded, ~bit, memory_order_relaxed);
}

void recording_set_mode(const struct recording *recording, int signum, enum ledger_mode mode,
                        bool replaced) {
    /* Most signals of a process that records are so. One word holds them all: a forked child would
     * otherwise write every entry of its ledger for that alone. */
    if (mode == MODE_RECORDED && !replaced) {
        atomic_fetch_or_explicit(&recording->header->recorded, signal_bit(signum),
                                 memory_order_relaxed);
        return;
    }
    struct ledger_entry *entry = &recording->ledger[signum];
    atomic_store_explicit(&entry->mode, mode, memory_order_relaxed);
    atomic_store_explicit(&entry->replaced, replaced, memory_order_relaxed);
    recording_clear_mode(recording, signum);
}

void recording_unmap(struct recording *recording) {
#ifdef __linux__
    if (recording->stand_in) {
        atomic_store(&private_memory, NULL);
        memory_free(recording->stand_in, recording->size);
    }
#endif
    memory_free(recording->header, recording->size);
    memset(recording, 0, sizeof *recording);
}

/* --- writing --------------------------------------------------------------- */

/* Puts the event into the history, and counts the event whose place it took as overwritten. False:
 * the event could not be written. */
static bool write_history(const struct recording *recording, const struct event *event) {
    uint64_t tag;
    if (!ring_push(&recording->history, event, &tag))
        return false;
    uint32_t signo;
    memcpy(&signo, &tag, sizeof signo); /* the first half of the word: event.h */
    if (signo > 0 && signo < SIGREC_NSIG)
        ledger_add(&recording->ledger[signo].overwritten, 1);
    return true;
}

/* Counts and keeps what goes elsewhere than into the history. */
static inline struct sender_entry *write_rest(const struct recording *recording,
                                              struct ledger_entry *entry,
                                              const struct event *event) {
    ledger_keep(entry, &recording->recent, event);
    struct sender_entry *sender = sender_count(recording->senders, event);
    if (!sender)
        ledger_add(&entry->unattributed, 1);
    return sender;
}

/* Each signal's way: what this calls is part of it. */
__attribute__((flatten)) struct sender_entry *recording_write(const struct recording *recording,
                                                              const struct event *event) {
    struct ledger_entry *entry = &recording->ledger[event->signo];
    ledger_add(write_history(recording, event) ? &entry->recorded : &entry->dropped, 1);
    return write_rest(recording, entry, event);
}

struct sender_entry *recording_write_aside(const struct recording *recording,
                                           const struct event *event) {
    struct ledger_entry *entry = &recording->ledger[event->signo];
    ledger_add(&entry->recorded, 1);
    ledger_add(&entry->overwritten, 1);
    return write_rest(recording, entry, event);
}

/* Moves events to a ring, or, if that is NULL, to the history of `to`. Returns the first ticket
 * that was not moved yet. */
static uint64_t fold_ring(const struct ring *from, uint64_t next, const struct recording *to,
                          const struct ring *ring) {
    uint64_t head = atomic_load_explicit(from->head, memory_order_relaxed);
    if (head - next > from->capacity)
        next = head - from->capacity;
    for (; next < head; next++) {
        struct event event;
        if (!ring_read(from, next, &event))
            continue;
        if (ring)
            ring_push(ring, &event, &(uint64_t){0});
        else if (!write_history(to, &event))
            /* The ledger's `recorded` has it already, so what does not fit counts as overwritten.
             */
            ledger_add(&to->ledger[event.signo].overwritten, 1);
    }
    return next;
}

void recording_fold(const struct recording *from, const struct recording *to,
                    uint64_t next[RECORDING_RINGS]) {
    for (int signum = 1; signum < SIGREC_NSIG; signum++)
        ledger_fold(&from->ledger[signum], &from->recent, &to->ledger[signum], &to->recent);
    sender_fold(from->senders, to->senders);
    notes_fold(&from->dispositions, &to->dispositions);
    notes_fold(&from->masks, &to->masks);
    next[RING_HISTORY] = fold_ring(&from->history, next[RING_HISTORY], to, NULL);
    next[RING_SENT] = fold_ring(&from->sent, next[RING_SENT], to, &to->sent);
    next[RING_ENDINGS] = fold_ring(&from->endings, next[RING_ENDINGS], to, &to->endings);
    next[RING_CHILDREN] = fold_ring(&from->children, next[RING_CHILDREN], to, &to->children);
}

void recording_begins(const struct recording *recording, uint64_t began_ns) {
    struct recording_header *header = recording->header;
    header->started_ns = clock_ns(CLOCK_REALTIME) - (monotonic_ns() - began_ns);
    atomic_store_explicit(&header->anchors[0].monotonic_ns, began_ns, memory_order_relaxed);
    atomic_store_explicit(&header->anchors[0].realtime_ns, header->started_ns,
                          memory_order_relaxed);
    atomic_store_explicit(&header->anchor_count, 1, memory_order_relaxed);
}

void recording_anchor(const struct recording *recording) {
    struct recording_header *header = recording->header;
    uint64_t mono = monotonic_ns(), real = clock_ns(CLOCK_REALTIME);
    uint64_t n = atomic_load_explicit(&header->anchor_count, memory_order_relaxed);
    if (n) {
        const struct anchor *last = &header->anchors[(n - 1) % RECORDING_ANCHORS];
        int64_t moved = (int64_t)(real - mono) -
                        (int64_t)(atomic_load_explicit(&last->realtime_ns, memory_order_relaxed) -
                                  atomic_load_explicit(&last->monotonic_ns, memory_order_relaxed));
        if (moved > -1000000 && moved < 1000000)
            return;
    }
    struct anchor *anchor = &header->anchors[n % RECORDING_ANCHORS];
    atomic_store_explicit(&anchor->monotonic_ns, mono, memory_order_relaxed);
    atomic_store_explicit(&anchor->realtime_ns, real, memory_order_relaxed);
    /* Release: a reader that sees the count sees the anchor. proof: anchor-count */
    atomic_store_explicit(&header->anchor_count, n + 1, memory_order_release);
}

const struct recording_section *recording_ledger_of(const struct recording_header *header,
                                                    uint64_t size) {
    if (memcmp(header->magic, RECORDING_MAGIC, sizeof header->magic) != 0 ||
        header->endian != RECORDING_ENDIAN || header->version != RECORDING_VERSION ||
        header->sections_offset != offsetof(struct recording_header, sections))
        return NULL;
    for (int n = 0; n < RECORDING_SECTIONS; n++) {
        const struct recording_section *section = &header->sections[n];
        if (section->type == SECTION_LEDGER && section->entry_size == sizeof(struct ledger_entry) &&
            section->offset < size && section->count <= SIGREC_NSIG &&
            section->count * section->entry_size <= size - section->offset)
            return section;
    }
    return NULL;
}
