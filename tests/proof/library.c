/* SPDX-License-Identifier: MIT
 *
 * Steps through the handler of libsigrec-preload.so, as it is built and installed, in a C program
 * that knows nothing of it.
 *
 *     library PRELOAD DIRECTORY FILE TARGET survey
 *     library PRELOAD DIRECTORY FILE TARGET nested|lap|kill STRIDE OFFSET
 *
 * The tracer (this process) starts TARGET with LD_PRELOAD and lets one signal after another come
 * to it. survey: prints what the handler does on its way through the library, a line for each:
 *
 *   call OFFSET   of the C library's functions, by its offset in that
 *   system NUMBER of the system calls
 *   into NAME     of any other file whose code it comes to
 *
 * The others do at instruction OFFSET, OFFSET+STRIDE, ... what stepper.c does, and check what a
 * reader can check: the ledger in the file, and that the program's handler has run. */
#define _GNU_SOURCE
#include "recording/recording.h"
#include "tracer.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#define LAP 20
#define SURVEYED 12 /* signals */
/* The first bytes of what a handler returns to, to make that system call: mov $15,%rax. */
#define SIGRETURN_CODE 0x0f0000000fc0c748

static const char *preload, *directory, *file, *program;
static int signum;
static _Atomic uint64_t *course;
static uint64_t sent;
static struct recording_header *header;
static struct ledger_entry *ledger;

static void run_to_the_trap(void) {
    int stop;
    while ((stop = await_stop()) != SIGTRAP) {
        if (stop != signum)
            fail("stopped by signal", stop);
        trace(PTRACE_CONT, stop);
    }
}

static void map_recording(void) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%d.sigrec", directory, (int)pid);
    int fd = open(path, O_RDONLY);
    CHECK(fd >= 0);
    char *p = mmap(NULL, 1 << 19, PROT_READ, MAP_SHARED, fd, 0);
    CHECK(p != MAP_FAILED);
    close(fd);
    header = (void *)p;
    ledger = (void *)(p + header->sections[SECTION_LEDGER - 1].offset);
}

static void start(void) {
    char number[16];
    snprintf(number, sizeof number, "%d", signum);
    *course = sent = 0;
    pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        CHECK(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
        CHECK(setenv("LD_PRELOAD", preload, 1) == 0 && setenv("SIGREC_DIR", directory, 1) == 0);
        CHECK(setenv("SIGREC_HISTORY", "64", 1) == 0);
        CHECK(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0);
        execl(program, program, file, number, (char *)NULL);
        _exit(127);
    }
    CHECK_EQ(await_stop(), SIGTRAP); /* the exec */
    trace(PTRACE_SETOPTIONS, PTRACE_O_EXITKILL);
    trace(PTRACE_CONT, 0);
    run_to_the_trap();
    map_recording();
}

static void send(int n) {
    for (int i = 0; i < n; i++) {
        queue_to(pid, pid, signum, getpid(), 0);
        sent++;
    }
}

/* --- what it does ------------------------------------------------------------------- */

static struct place {
    uint64_t begin, end, offset;
    char name[256];
} places[256];
static int count;

static void read_maps(void) {
    char path[64], line[512];
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    FILE *maps = fopen(path, "r");
    CHECK(maps);
    while (fgets(line, sizeof line, maps) && count < 256) {
        struct place *p = &places[count];
        unsigned long long begin, end, offset;
        char rights[8];
        p->name[0] = 0;
        if (sscanf(line, "%llx-%llx %7s %llx %*s %*s %255[^\n]", &begin, &end, rights, &offset,
                   p->name) >= 4 &&
            rights[2] == 'x') {
            *p = (struct place){begin, end, offset, ""};
            sscanf(line, "%*s %*s %*s %*s %*s %255[^\n]", p->name);
            count++;
        }
    }
    fclose(maps);
}

static const struct place *place_of(uint64_t pc) {
    for (int i = 0; i < count; i++)
        if (pc >= places[i].begin && pc < places[i].end)
            return &places[i];
    return NULL;
}

static bool is(const struct place *place, const char *what) {
    return place && strstr(place->name, what);
}

static void look(uint64_t before, const struct user_regs_struct *r) {
    const struct place *from = place_of(before), *to = place_of(r->rip);
    bool ours = is(from, "sigrec-preload"), libc = is(to, "libc.so");
    long code = ptrace(PTRACE_PEEKTEXT, pid, (void *)r->rip, NULL);
    if (ours && libc && code != SIGRETURN_CODE)
        printf("call %llx\n", (unsigned long long)(r->rip - to->begin + to->offset));
    else if (from != to && !libc && !is(to, "sigrec-preload"))
        printf("into %s\n", to ? to->name : "nowhere");
    if ((code & 0xffff) == 0x050f && !is(to, program))
        printf("system %llu\n", (unsigned long long)r->rax);
}

/* One by one, and then as a flood of which the handler takes the rest. */
static void survey(void) {
    read_maps();
    uint64_t home = where();
    for (int i = 0; i < SURVEYED; i++) {
        send(i < SURVEYED / 2 ? 1 : 3);
        trace(PTRACE_CONT, 0);
        CHECK_EQ(await_stop(), signum);
        single_step(signum);
        uint64_t before = home;
        for (at = 0; where() != home; at++) {
            struct user_regs_struct r = registers();
            look(before, &r);
            before = r.rip;
            single_step(0);
        }
        trace(PTRACE_CONT, 0);
        run_to_the_trap();
    }
    CHECK_EQ(*course, sent);
    CHECK_EQ(ledger[signum].delivered, sent);
}

/* --- what is done to it --------------------------------------------------------------- */

static void balance(uint64_t lost) {
    const struct ledger_entry *l = &ledger[signum];
    CHECK(l->delivered <= sent && l->delivered + lost >= sent);
    CHECK(l->recorded + l->dropped <= l->delivered);
    CHECK(l->recorded + l->dropped + lost >= l->delivered);
    CHECK(*course + lost >= sent && *course <= sent);
    CHECK(header->head + lost >= l->recorded);
}

static bool once(const char *injection, uint64_t instruction) {
    uint64_t home = where(), nothing = 0;
    send(1);
    trace(PTRACE_CONT, 0);
    CHECK_EQ(await_stop(), signum);
    single_step(signum);
    for (at = 0; at < instruction && where() != home; at++)
        single_step(0);
    bool there = where() != home;
    injected += there;
    if (there && strcmp(injection, "kill") == 0) {
        int status;
        kill(pid, SIGKILL);
        while (waitpid(pid, &status, 0) == pid && !WIFSIGNALED(status))
            ;
        balance(1);
        munmap(header, 1 << 19);
        start();
        return true;
    }
    if (there) {
        CHECK(ptrace(PTRACE_SETSIGMASK, pid, sizeof nothing, &nothing) == 0);
        send(strcmp(injection, "lap") == 0 ? LAP : 1);
    }
    trace(PTRACE_CONT, 0);
    run_to_the_trap();
    balance(0);
    return there;
}

int main(int argc, char **argv) {
    if (argc < 6) {
        fprintf(stderr, "usage: library PRELOAD DIRECTORY FILE TARGET WHAT [STRIDE OFFSET]\n");
        return 2;
    }
    preload = argv[1], directory = argv[2], file = argv[3], program = argv[4];
    signum = SIGRTMIN + 2;
    int fd = open(file, O_RDWR);
    CHECK(fd >= 0 && ftruncate(fd, 4096) == 0);
    course = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(course != MAP_FAILED);
    start();
    if (strcmp(argv[5], "survey") == 0) {
        survey();
    } else {
        uint64_t stride = argc > 6 ? strtoull(argv[6], NULL, 10) : 1;
        uint64_t offset = argc > 7 ? strtoull(argv[7], NULL, 10) : 0, length = 0;
        while (once(argv[5], offset + length * stride))
            length++;
        printf("%-6s %6llu instructions, %6llu injections, %9llu steps: 0 failures\n", argv[5],
               (unsigned long long)at, (unsigned long long)injected, (unsigned long long)stepped);
    }
    kill(pid, SIGKILL);
    return 0;
}
