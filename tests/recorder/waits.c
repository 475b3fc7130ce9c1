/* SPDX-License-Identifier: MIT
 * Says "ready", and waits; with an argument its main thread has ended by then. */
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

static void *waits(void *main_thread) {
    if (main_thread)
        pthread_join(*(pthread_t *)main_thread, NULL);
    puts("ready");
    fflush(stdout);
    for (;;)
        pause();
}

int main(int argc, char **argv) {
    static pthread_t self;
    pthread_t thread;
    (void)argv;
    if (argc == 1)
        waits(NULL);
    self = pthread_self();
    pthread_create(&thread, NULL, waits, &self);
    pthread_exit(NULL);
}
