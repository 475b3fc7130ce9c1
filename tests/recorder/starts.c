/* SPDX-License-Identifier: MIT
 * Starts another program in the way that is asked for: starts HOW [vfork] PROGRAM. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv) {
    const char *how = argv[1], *program = argv[argc - 1];
    char *const list[] = {argv[argc - 1], "a b", "", NULL};
    pid_t pid = -1;
    if (strcmp(how, "posix_spawn") == 0)
        posix_spawn(&pid, program, NULL, NULL, list, environ);
    else if (strcmp(how, "posix_spawnp") == 0)
        posix_spawnp(&pid, program, NULL, NULL, list, environ);
    else if ((pid = argc > 3 ? vfork() : fork()) == 0) {
        if (strcmp(how, "execv") == 0)
            execv(program, list);
        else if (strcmp(how, "execve") == 0)
            execve(program, list, environ);
        else if (strcmp(how, "execvp") == 0)
            execvp(program, list);
        else if (strcmp(how, "execvpe") == 0)
            execvpe(program, list, environ);
        else if (strcmp(how, "fexecve") == 0)
            fexecve(open(program, O_RDONLY | O_CLOEXEC), list, environ);
        else if (strcmp(how, "execl") == 0)
            execl(program, program, "a b", "", (char *)NULL);
        else if (strcmp(how, "execlp") == 0)
            execlp(program, program, "a b", "", (char *)NULL);
        else if (strcmp(how, "execle") == 0)
            execle(program, program, "a b", "", (char *)NULL, environ);
        _exit(127);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    return WEXITSTATUS(status);
}
