/* SPDX-License-Identifier: MIT
 *
 * proc: reads a small file of /proc in a signal handler, which may not call stdio.
 */
#ifndef SIGREC_PROC_H
#define SIGREC_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

extern const char *proc_root; /* "/proc"; a test of what is said of others has another */

/* Signal context; openat, read and close, where the program has not forbidden itself one of
 * them. Reads what one read(2) gives, and ends it with a 0. Returns its length: 0 where it
 * cannot be read. Meanwhile there is a descriptor, which another thread's close_range(2)
 * could close. Changes errno. */
size_t proc_read(const char *path, char *text, size_t size);

/* Any context. Field n, from 3 on, of a text as of proc_pid_stat(5); NULL: there is none. */
const char *proc_field(const char *text, int n);

/* Any context. What stands after the key, "\nPid:" say, in a text of a key and a value a line;
 * NULL: the key is not there. */
const char *proc_after(const char *text, const char *key);

/* Any context. The mask with that key in a text as of proc_pid_status(5), bit n-1 for signal n; 0
 * also where the key is not there. */
uint64_t proc_mask(const char *text, const char *key);

/* Signal context; readlink(2), where the program has not forbidden itself to read links and files.
 * The inode of this process's namespace of that name, "pid" say; 0: not known. (stat(2) would
 * follow the link, for twice the time.) */
uint64_t proc_namespace(const char *name);

/* Signal context; calls proc_read. When a process began, in clock ticks since the boot, a time
 * that no later process with its pid has: proc_pid_stat(5), field 22. pid 0: this process; this
 * is also a look at whose PIDs /proc has. text: room, of 400 bytes at least. 0: not known. */
uint64_t proc_start_ticks(int32_t pid, char *text, size_t size);

/* Signal context; may call proc_read. Whether /proc/PID is the process that has that PID here. In a
 * PID namespace that has no /proc of its own it is another one, which has that PID outside. True
 * until it is known. */
bool proc_names_ours(void);

#endif
