/* Crashes, and has another program report that, from a handler on an alternate stack of the usual
 * size: test_faults.py. argv: anything; then a child starts that program. */
#include <signal.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define BELOW 65536 /* that nothing may touch */
#define USUAL                                                                                      \
    4816 /* SIGSTKSZ, 8,192, without what the kernel writes there: AT_MINSIGSTKSZ, 3,376 */

static int in_child;

static void on_crash(int signum) {
    (void)signum;
    int status;
    pid_t pid = in_child ? fork() : 0;
    if (pid > 0)
        _exit(waitpid(pid, &status, 0) == pid && status == 0 ? 0 : 1);
    execl("/bin/echo", "echo", "crashed", (char *)NULL);
    _exit(1);
}

int main(int argc, char *argv[]) {
    (void)argv;
    in_child = argc > 1;
    size_t least = getauxval(51 /* AT_MINSIGSTKSZ */);
    stack_t stack = {.ss_size = (least ? least : 3376) + USUAL};
    char *base = mmap(NULL, BELOW + stack.ss_size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED || mprotect(base, BELOW, PROT_NONE) != 0)
        return 1;
    stack.ss_sp = base + BELOW;
    struct sigaction action = {.sa_handler = on_crash, .sa_flags = SA_ONSTACK};
    if (sigaltstack(&stack, NULL) != 0 || sigaction(SIGSEGV, &action, NULL) != 0)
        return 1;
    *(volatile int *)NULL = 1;
    return 1;
}
