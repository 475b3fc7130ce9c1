/* SPDX-License-Identifier: MIT
 *
 * places: the directories in which a writer makes its recording, and what it is
 * called there. For readers sigrec/_reader/places.py says the same.
 */
#ifndef SIGREC_PLACES_H
#define SIGREC_PLACES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLACES_SIZE 4096                  /* of a path, with its final 0 */
#define PLACES_FIRST UINT64_C(0xEFFFFFFC) /* the first PID namespace: <linux/proc_ns.h> */
#define PLACES_REASON 160                 /* of a reason, ditto, beside the path */

/* Interpreter context. Directory n of those that a writer tries, the best first.
 * False: there are no more; for n = 0: SIGREC_DIR is empty, which turns publishing off. */
bool places_candidate(int n, char directory[PLACES_SIZE]);

/* Interpreter context. Makes the directory, if it is missing. NULL, or why it cannot
 * be used: it must be a directory of this user, no link, and writable by nobody else. */
const char *places_prepare(const char *directory, char reason[PLACES_REASON]);

/* Interpreter context. The first that can be used, of those whose path has none of the characters
 * of `without`. False: there is none. */
bool places_first(char directory[PLACES_SIZE], const char *without);

/* Any context: at least 48 bytes at `at`, and the place of the final 0. What the files of a
 * process are called begins so: "4242", in another PID namespace than the first
 * "4242@4026532345". */
char *places_put_process(char *at, int32_t pid, uint64_t namespace);

/* Interpreter context. This process's PID namespace; 0: not known. */
uint64_t places_namespace(void);

/* Interpreter context. The nth name, from 1, of this process's recording, ".sigrec", or of a link
 * to it, ".named". */
void places_name(char name[64], uint64_t namespace, uint64_t n, const char *suffix);

#endif
