/* SPDX-License-Identifier: MIT */
#include "host/environment.h"

#include "ground/memory.h"
#include "ground/text.h"

#include <string.h>

static const char *const our_variables[] = {"SIGREC_CHILDREN", "SIGREC_RECORDING", "SIGREC_KEEP"};

/* What stands behind "NAME=", or NULL. */
static const char *variable_value(const char *entry, const char *name) {
    size_t n = strlen(name);
    return strncmp(entry, name, n) == 0 && entry[n] == '=' ? entry + n + 1 : NULL;
}

static bool is_our_variable(const char *entry) {
    for (size_t i = 0; i < sizeof our_variables / sizeof *our_variables; i++)
        if (variable_value(entry, our_variables[i]))
            return true;
    return false;
}

/* The next of a list of libraries, separated by spaces and colons: ld.so(8). */
static const char *next_preload(const char *list, size_t *size) {
    list += strspn(list, " :");
    *size = strcspn(list, " :");
    return *size ? list : NULL;
}

static bool is_our_preload(const char *path, size_t size) {
    size_t n = strlen(ENVIRONMENT_LIBRARY);
    return size > n && path[size - n - 1] == '/' &&
           memcmp(path + size - n, ENVIRONMENT_LIBRARY, n) == 0;
}

const char *environment_library(char *const environment[], size_t *size) {
    for (; environment && *environment; environment++) {
        const char *at = variable_value(*environment, "LD_PRELOAD");
        for (; at && (at = next_preload(at, size)); at += *size)
            if (is_our_preload(at, *size))
                return at;
    }
    return NULL;
}

/* Copies the list without our library; to may be where the list is. Whether any is left. */
static bool cut_our_preload(char *to, const char *list) {
    char *begin = to;
    size_t size;
    for (const char *at = list; (at = next_preload(at, &size)); at += size) {
        if (is_our_preload(at, size))
            continue;
        if (to != begin)
            *to++ = ' ';
        memmove(to, at, size);
        to += size;
    }
    *to = 0;
    return to != begin;
}

size_t environment_room(char *const environment[]) {
    size_t room = 0, found;
    if (!environment_library(environment, &found))
        return 0;
    for (; *environment; environment++)
        room += sizeof *environment +
                (variable_value(*environment, "LD_PRELOAD") ? strlen(*environment) + 1 : 0);
    return room + sizeof *environment;
}

char **environment_without(char *const environment[], void *room) {
    char **to = room;
    size_t n = 0;
    while (environment[n])
        n++;
    char *text = (char *)(to + n + 1);
    char **at = to;
    for (; *environment; environment++) {
        const char *list = variable_value(*environment, "LD_PRELOAD");
        if (list) {
            size_t head = (size_t)(list - *environment);
            memcpy(text, *environment, head);
            if (!cut_our_preload(text + head, list))
                continue;
            *at++ = text;
            text += head + strlen(text + head) + 1;
        } else if (!is_our_variable(*environment)) {
            *at++ = *environment;
        }
    }
    *at = NULL;
    return to;
}

/* --- the environment of the next program, with our variables --------------------------- */

static char noted_library[4096] SELDOM;
static char noted_keep[48]; /* "SIGREC_KEEP=4242" */

void environment_note(char *const environment[]) {
    size_t size;
    const char *library = environment_library(environment, &size);
    if (!library || size >= sizeof noted_library)
        return;
    memcpy(noted_library, library, size);
    for (; *environment; environment++)
        if (variable_value(*environment, "SIGREC_KEEP") && strlen(*environment) < sizeof noted_keep)
            strcpy(noted_keep, *environment);
}

const char *environment_noted(void) { return *noted_library ? noted_library : NULL; }

size_t environment_room_with(char *const environment[]) {
    size_t room = 3 * sizeof *environment + sizeof "LD_PRELOAD= " + strlen(noted_library);
    for (; environment && *environment; environment++) {
        const char *list = variable_value(*environment, "LD_PRELOAD");
        room += sizeof *environment + (list ? strlen(list) : 0);
    }
    return room;
}

char **environment_with(char *const environment[], void *room) {
    char **to = room, **at = to;
    const char *others = "";
    for (; environment && *environment; environment++) {
        const char *list = variable_value(*environment, "LD_PRELOAD");
        if (list)
            others = list; /* the first is meant: getenv(3) */
        else
            *at++ = *environment;
    }
    if (*noted_keep)
        *at++ = noted_keep;
    char *preload = (char *)(at + 2); /* behind itself in the list and the NULL that ends it */
    *at++ = preload;
    *at = NULL;
    preload = text_put(text_put(preload, "LD_PRELOAD="), others);
    text_put(text_put(preload, *others ? " " : ""), noted_library);
    return to;
}

/* --- our variables leave the process's own environment --------------------------------- */

void environment_forget(char **environment) {
    char **to = environment;
    for (; *environment; environment++) {
        char *list = (char *)variable_value(*environment, "LD_PRELOAD");
        if (is_our_variable(*environment) || (list && !cut_our_preload(list, list)))
            continue;
        *to++ = *environment;
    }
    *to = NULL;
}

void environment_forget_one(char **environment, const char *name) {
    char **to = environment;
    for (; *environment; environment++)
        if (!variable_value(*environment, name))
            *to++ = *environment;
    *to = NULL;
}
