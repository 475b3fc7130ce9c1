/* SPDX-License-Identifier: MIT
 *
 * retention: removes recordings whose process is gone, but for the newest few of each kind (of
 * ends that went well, and of the others, for which people may ask), so that they do not fill
 * the directory; links to recordings that were named, likewise; and files that such processes
 * left half made.
 */
#ifndef SIGREC_RETENTION_H
#define SIGREC_RETENTION_H

#include <stddef.h>

/* Of a program that may start others all day, and has no time: where there are more than so many,
 * how many of each kind stay. */
#define RETENTION_MOST 256
#define RETENTION_KEEP 64

/* Interpreter context. Only files with a name of sigrec's own making are ever removed. Returns how
 * many bytes of `others` it wrote: names, each with its final 0, of those about which this
 * process's namespace and boot do not tell whether the process is gone,
 * or that have the PID of one that lives. */
size_t retention_clean(const char *directory, size_t most, size_t keep, char *others, size_t size);

#endif
