/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "program/caller.h"
#include "program/site.h"

#include "check.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

static struct site table[SITE_ENTRIES];

static const char *text(uint32_t number) {
    site_copy(number, table);
    CHECK_EQ(table[number - 1].whole, 1);
    return (const char *)table[number - 1].text;
}

static void one_site_has_one_number(void) {
    uint32_t n = site_number("/a/b.py", 7, 12);
    CHECK(n > 0);
    CHECK_EQ(site_number("/a/b.py", 7, 12), n);
    CHECK(site_number("/a/b.py", 7, 13) != n);
    CHECK(site_number("/a/c.py", 7, 12) != n);
    CHECK(site_number("", 0, 0) > 0);
    CHECK_EQ(strcmp(text(n), "/a/b.py"), 0);
    CHECK_EQ(table[n - 1].line, 12);
    site_copy(0, table); /* not known: nothing to copy */
    site_copy(SITE_ENTRIES + 1, table);
}

static void of_a_long_name_the_end_is_kept(void) {
    char name[300];
    memset(name, 'x', sizeof name);
    memcpy(name + sizeof name - 6, "end.py", 6);
    uint32_t n = site_number(name, sizeof name, 1);
    CHECK_EQ(memcmp(text(n), name + sizeof name - SITE_TEXT, SITE_TEXT), 0);
}

static void a_call_is_of_the_object_that_was_loaded_last(void) {
    CHECK_EQ(caller_library((void *)0x1800), 0);
    caller_object(0x1000, 0x2000, "/lib/one.so");
    caller_object(0x4000, 0x5000, "/lib/two.so");
    caller_object(0x1000, 0x2000, "/lib/one.so"); /* seen again */
    CHECK_EQ(strcmp(text(caller_library((void *)0x1fff)), "/lib/one.so"), 0);
    CHECK_EQ(strcmp(text(caller_library((void *)0x4000)), "/lib/two.so"), 0);
    CHECK_EQ(caller_library((void *)0x2000), 0);
    caller_object(0x1800, 0x3000, "/lib/three.so"); /* the first was unloaded */
    CHECK_EQ(strcmp(text(caller_library((void *)0x1fff)), "/lib/three.so"), 0);
}

static size_t python(char *file, size_t size, uint32_t *line) {
    CHECK(size >= 6);
    memcpy(file, "app.py", 6);
    *line = 12;
    return 6;
}

static void the_interpreter_is_asked(void) {
    CHECK_EQ(caller_line(), 0);
    CHECK(!caller_is_interpreter((void *)0x4800));
    caller_set_python(python, (void *)0x9000); /* in no object that is known */
    CHECK_EQ(caller_line(), 0);
    caller_set_python(python, (void *)0x4100);
    CHECK(caller_is_interpreter((void *)0x4800));
    CHECK(!caller_is_interpreter((void *)0x5000));
    CHECK_EQ(strcmp(text(caller_line()), "app.py"), 0);
}

static void *intern(void *ignored) {
    (void)ignored;
    for (uint32_t line = 1; line < 2000; line++) {
        uint32_t n = site_number("/many.py", 8, line);
        CHECK(n <= SITE_ENTRIES);
        if (n)
            CHECK_EQ(strcmp(text(n), "/many.py"), 0);
    }
    return NULL;
}

/* More than there is room for, and threads at once: none waits, and what is there stays. */
static void a_full_table_says_that_it_does_not_know(void) {
    uint32_t n = site_number("/a/b.py", 7, 12);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, intern, NULL), 0);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    CHECK_EQ(site_number("/new.py", 7, 1), 0);
    CHECK_EQ(site_number("/a/b.py", 7, 12), n);
    uint32_t kept = 0;
    for (uint32_t line = 1; line < 2000; line++)
        kept += site_number("/many.py", 8, line) > 0;
    CHECK(kept > SITE_ENTRIES / 2);
}

int main(void) {
    one_site_has_one_number();
    of_a_long_name_the_end_is_kept();
    a_call_is_of_the_object_that_was_loaded_last();
    the_interpreter_is_asked();
    a_full_table_says_that_it_does_not_know();
    return 0;
}
