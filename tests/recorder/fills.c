/* Leaves no room in the file system of the recordings, blocks all signals, as a thread beside one
 * that waits for them does, and has a child: test_faults.py. argv: a file to be made. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static const char zeros[65536];

int main(int argc, char *argv[]) {
    int fd = argc > 1 ? open(argv[1], O_CREAT | O_WRONLY, 0600) : -1;
    if (fd < 0)
        return 1;
    for (size_t size = sizeof zeros; size; size /= 2)
        while (write(fd, zeros, size) > 0)
            ;
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    int status;
    if (waitpid(pid, &status, 0) != pid)
        return 1;
    puts("goes on");
    return 0;
}
