/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "attach/images.h"

#ifdef __linux__

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool images_memory(const struct images *images, uint64_t address, void *to, size_t size) {
    return pread(images->memory, to, size, (off_t)address) == (ssize_t)size;
}

/* --- symbols ------------------------------------------------------------------------ */

static uint32_t gnu_hash(const char *name) {
    uint32_t hash = 5381;
    for (; *name; name++)
        hash = hash * 33 + (uint8_t)*name;
    return hash;
}

struct tables {
    uint64_t symbols, strings, hash;
};

static bool find_tables(const struct images *images, uint64_t base, struct tables *tables) {
    ElfW(Ehdr) header;
    ElfW(Phdr) segments[32];
    memset(tables, 0, sizeof *tables);
    if (!images_memory(images, base, &header, sizeof header) ||
        memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
        header.e_phentsize != sizeof *segments)
        return false;
    size_t n = header.e_phnum < 32 ? header.e_phnum : 32;
    if (!images_memory(images, base + header.e_phoff, segments, n * sizeof *segments))
        return false;
    uint64_t bias = base, dynamic = 0;
    for (size_t i = n; i-- > 0;) /* the first that is loaded begins at base */
        if (segments[i].p_type == PT_LOAD && segments[i].p_offset == 0)
            bias = base - segments[i].p_vaddr;
    for (size_t i = 0; i < n; i++)
        if (segments[i].p_type == PT_DYNAMIC)
            dynamic = bias + segments[i].p_vaddr;
    for (int i = 0; dynamic && i < 128; i++) {
        ElfW(Dyn) entry;
        if (!images_memory(images, dynamic + (uint64_t)i * sizeof entry, &entry, sizeof entry) ||
            entry.d_tag == DT_NULL)
            break;
        /* glibc has relocated these addresses, and other loaders have not. */
        uint64_t at = entry.d_un.d_ptr < base ? bias + entry.d_un.d_ptr : entry.d_un.d_ptr;
        if (entry.d_tag == DT_SYMTAB)
            tables->symbols = at;
        else if (entry.d_tag == DT_STRTAB)
            tables->strings = at;
        else if (entry.d_tag == DT_GNU_HASH)
            tables->hash = at;
    }
    return tables->symbols && tables->strings && tables->hash;
}

static bool is_function(const struct images *images, const struct tables *tables, uint32_t n,
                        const char *name, uint64_t *value) {
    ElfW(Sym) symbol;
    char text[64] = "";
    size_t size = strlen(name) + 1;
    if (size > sizeof text ||
        !images_memory(images, tables->symbols + n * sizeof symbol, &symbol, sizeof symbol) ||
        symbol.st_shndx == SHN_UNDEF || ELF64_ST_TYPE(symbol.st_info) != STT_FUNC ||
        !images_memory(images, tables->strings + symbol.st_name, text, size) ||
        memcmp(text, name, size) != 0)
        return false;
    *value = symbol.st_value;
    return true;
}

uint64_t images_symbol(const struct images *images, uint64_t base, const char *name) {
    struct tables tables;
    struct {
        uint32_t buckets, first, words, shift;
    } head;
    if (!base || !find_tables(images, base, &tables) ||
        !images_memory(images, tables.hash, &head, sizeof head) || !head.buckets)
        return 0;
    uint32_t hash = gnu_hash(name), n, value;
    uint64_t buckets = tables.hash + sizeof head + (uint64_t)head.words * 8, address;
    if (!images_memory(images, buckets + 4 * (uint64_t)(hash % head.buckets), &n, sizeof n) || !n)
        return 0;
    uint64_t chain = buckets + 4 * (uint64_t)head.buckets;
    for (int most = 0; most < 65536; most++, n++) {
        if (n < head.first ||
            !images_memory(images, chain + 4 * (uint64_t)(n - head.first), &value, sizeof value))
            return 0;
        if ((value | 1) == (hash | 1) && is_function(images, &tables, n, name, &address)) {
            ElfW(Ehdr) header;
            bool fixed =
                images_memory(images, base, &header, sizeof header) && header.e_type == ET_EXEC;
            return fixed ? address : base + address;
        }
        if (value & 1)
            return 0;
    }
    return 0;
}

/* --- maps ----------------------------------------------------------------------------- */

static bool begins_with(const char *name, const char *with) {
    return strncmp(name, with, strlen(with)) == 0;
}

static const char *mapped_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static bool is_libc(const char *name) {
    return begins_with(name, "libc.so") || begins_with(name, "libc-");
}

static bool is_of_the_c_library(const char *name) {
    return is_libc(name) || begins_with(name, "libdl.so") || begins_with(name, "libdl-") ||
           begins_with(name, "ld-") || begins_with(name, "ld.so") ||
           begins_with(name, "libpthread") || strcmp(name, "[vdso]") == 0;
}

static bool image_allocates(struct images *images, uint64_t base, uint64_t file) {
    for (uint32_t i = 0; i < images->objects; i++)
        if (images->object[i].base == base && images->object[i].file == file)
            return images->object[i].allocates;
    bool found = images_symbol(images, base, "malloc") != 0;
    if (images->objects < IMAGES_OBJECTS)
        images->object[images->objects++] = (struct images_object){base, file, found};
    return found;
}

struct line {
    uint64_t from, to, offset, file;
    char mode[5];
    const char *path;
};

/* address perms offset dev inode pathname: proc_pid_maps(5) */
static bool parse_map(char *text, struct line *line) {
    char *at;
    line->from = strtoull(text, &at, 16);
    if (*at++ != '-')
        return false;
    line->to = strtoull(at, &at, 16);
    if (*at++ != ' ' || strlen(at) < 6)
        return false;
    memcpy(line->mode, at, 4);
    line->mode[4] = 0;
    line->offset = strtoull(at + 5, &at, 16);
    at += strspn(at, " ");
    at += strcspn(at, " "); /* the device */
    line->file = strtoull(at, &at, 10);
    line->path = at + strspn(at, " ");
    return true;
}

/* What take_map() knows of the lines before. */
struct before {
    uint64_t base, of; /* of the newest object, and its file */
    uint64_t end;      /* of that object's variables so far */
    bool unsafe;
};

static void take_data(struct images *images, const struct line *line, struct before *before) {
    bool own = line->file ? line->file == before->of : line->from == before->end; /* .bss */
    bool heap = strcmp(line->path, "[heap]") == 0; /* where other allocators may have theirs */
    if (line->file && line->file == before->of)
        before->end = line->to;
    if (line->mode[1] != 'w' || images->data == IMAGES_DATA || !((own && !before->unsafe) || heap))
        return;
    images->variables[images->data++] = (struct images_data){line->from, line->to};
}

static void take_map(struct images *images, const struct line *line, struct before *before) {
    const char *name = mapped_name(line->path);
    bool c_library = is_of_the_c_library(name);
    uint64_t *base = &before->base, *of = &before->of;
    if (line->offset == 0 && line->file)
        before->unsafe = false;
    if (line->offset == 0 && line->file) {
        *base = line->from;
        *of = line->file;
        if (is_libc(name))
            images->libc = line->from;
        else if (begins_with(name, "libdl"))
            images->libdl = line->from;
    }
    take_data(images, line, before);
    if (line->mode[2] != 'x' || strcmp(line->path, "[vsyscall]") == 0)
        return;
    if (images->ranges == IMAGES_RANGES) {
        images->whole = false;
        return;
    }
    bool known = line->file && line->file == *of;
    bool allocator = !c_library && (strstr(name, "alloc") ||
                                    (known && image_allocates(images, *base, line->file)));
    if (allocator && known && !images->allocator && image_allocates(images, *base, line->file))
        images->allocator = *base;
    if (is_libc(name)) {
        images->libc_code[0] = line->from;
        images->libc_code[1] = line->to;
    }
    if (known)
        before->unsafe = c_library || allocator;
    images->range[images->ranges++] =
        (struct images_range){line->from, line->to, c_library || allocator};
}

int images_read(struct images *images, int32_t pid, int32_t tid) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task/%d/maps", (int)pid, (int)tid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    size_t size = 0;
    for (ssize_t n; size < IMAGES_TEXT - 1; size += (size_t)n) {
        n = read(fd, images->text + size, IMAGES_TEXT - 1 - size);
        if (n <= 0)
            break;
    }
    close(fd);
    images->text[size] = 0;
    images->whole = size < IMAGES_TEXT - 1;
    images->ranges = images->data = 0;
    images->libc = images->libdl = images->allocator = 0;
    images->libc_code[0] = images->libc_code[1] = 0;
    struct before before = {0, 0, 0, false};
    for (char *at = images->text; *at;) {
        char *end = at + strcspn(at, "\n"), *next = *end ? end + 1 : end;
        *end = 0;
        struct line line;
        if (parse_map(at, &line))
            take_map(images, &line, &before);
        at = next;
    }
    return size ? 0 : ESRCH;
}

const struct images_range *images_code(const struct images *images, uint64_t address) {
    uint32_t low = 0, high = images->ranges; /* they are in order */
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct images_range *range = &images->range[middle];
        if (address < range->from)
            high = middle;
        else if (address >= range->to)
            low = middle + 1;
        else
            return range;
    }
    return NULL;
}

bool images_is_of_program(const struct images *images, uint64_t address) {
    if (images->allocator)
        return false; /* its locks may be anywhere */
    for (uint32_t i = 0; i < images->data; i++)
        if (address >= images->variables[i].from && address < images->variables[i].to)
            return true;
    return false;
}

uint64_t images_find(const struct images *images, const uint8_t *bytes, const uint8_t *mask,
                     size_t size, size_t step) {
    uint8_t chunk[4096 + 16];
    for (uint64_t at = images->libc_code[0]; at < images->libc_code[1]; at += 4096) {
        ssize_t got = pread(images->memory, chunk, sizeof chunk, (off_t)at);
        for (ssize_t i = 0; i < 4096 && i + (ssize_t)size <= got; i += (ssize_t)step) {
            size_t n = 0;
            while (n < size && (chunk[i + (ssize_t)n] & mask[n]) == bytes[n])
                n++;
            if (n == size && at + (uint64_t)i + size <= images->libc_code[1])
                return at + (uint64_t)i;
        }
    }
    return 0;
}

#endif
