/* SPDX-License-Identifier: MIT
 *
 * file: how the file of a recording is made: in a directory that nobody else may write, without a
 * name until it is complete, and with all of its pages. What is in it says recording.h.
 */
#ifndef SIGREC_FILE_H
#define SIGREC_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

/* A recording's file, told apart by device and inode from another that comes to have its name. */
struct file {
    const char *path; /* which must last as long as the recording */
    dev_t device;
    ino_t inode;
};

/* Interpreter context, all of these; each returns 0 or an errno. */

/* any: whoever owns the directory, and may write there. */
int file_open_directory(const char *path, bool any, int *fd);

/* Opens a new file that has no name yet, or the temporary name where the file system knows no
 * unnamed files. */
int file_open_unnamed(int directory, const char *temporary, bool *named, int *fd);

/* Whatever the umask(2) is, its owner may read it. */
int file_let_owner_read(int fd, struct stat *st);

/* Writes every page, so that a full disk is an error here and not a SIGBUS in
 * a signal handler. */
int file_fill(int fd, uint64_t size);

/* On a file system in memory that has room enough, leaves it to the kernel to make the pages as
 * they are written: a short-lived process never writes most of them. */
int file_reserve(int fd, uint64_t size);

/* Gives the file its name, and never takes the place of what has that name: link(2) fails then,
 * with EEXIST. A temporary name stays as well. */
int file_give_name(int directory, int fd, const char *temporary, bool named, const char *name);

#endif
