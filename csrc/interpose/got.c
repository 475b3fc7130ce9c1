/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "interpose/got.h"

#if defined(__linux__) && (defined(__x86_64__) || defined(__aarch64__))

#include "ground/glibc.h"
#include "program/caller.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__x86_64__)
#define RELOC_CALL R_X86_64_JUMP_SLOT
#define RELOC_GOT R_X86_64_GLOB_DAT
#define RELOC_POINTER R_X86_64_64
#else
#define RELOC_CALL R_AARCH64_JUMP_SLOT
#define RELOC_GOT R_AARCH64_GLOB_DAT
#define RELOC_POINTER R_AARCH64_ABS64
#endif

struct interposition {
    const char *name;
    void (*original)(void); /* cast to one type, as they have many */
    void (*replacement)(void);
};

static struct interposition interpositions[GOT_MOST + 1]; /* to one that has no name */
static int interposition_count;
/* dlsym(3) and dlopen(3), which nobody gets from dlsym(3). */
static struct interposition loader_interposition[2];
static void (*after_new_objects)(void);
static _Atomic uint64_t objects_seen; /* dlpi_adds when every object was patched last */

static const struct interposition *find_interposition(const char *name) {
    for (int i = 0; i < 2; i++)
        if (strcmp(name, loader_interposition[i].name) == 0)
            return &loader_interposition[i];
    for (const struct interposition *r = interpositions; r->name; r++)
        if (*name == *r->name && strcmp(name, r->name) == 0)
            return r;
    return NULL;
}

struct object {
    const ElfW(Sym) *symbols;
    const char *strings;
    uintptr_t base;
    uintptr_t protected_from, protected_to; /* read-only once it was relocated (RELRO) */
};

/* The loader protects whole pages, and no page in which something else stands behind RELRO. A
 * protected page may still be writable: another thread is just loading the object. */
static bool is_protected(const struct object *object, uintptr_t page, uintptr_t size) {
    return page >= (object->protected_from & ~(size - 1)) &&
           page < (object->protected_to & ~(size - 1)) &&
           madvise((void *)page, size, MADV_POPULATE_WRITE) != 0;
}

static void write_word(const struct object *object, uintptr_t *where, uintptr_t value) {
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    void *start = (void *)((uintptr_t)where & ~(page - 1));
    bool protected = is_protected(object, (uintptr_t)start, page);
    if (protected && mprotect(start, page, PROT_READ | PROT_WRITE) != 0)
        return;
    /* Other threads may be calling through this entry of the table. */
    __atomic_store_n(where, value, __ATOMIC_RELEASE);
    if (protected)
        mprotect(start, page, PROT_READ);
}

static void patch_relocations(const struct object *object, const ElfW(Rela) *rela, size_t size) {
    for (const ElfW(Rela) *end = rela + size / sizeof *rela; rela < end; rela++) {
        uint32_t type = (uint32_t)ELF64_R_TYPE(rela->r_info);
        if (type != RELOC_CALL && type != RELOC_GOT && type != RELOC_POINTER)
            continue;
        const ElfW(Sym) *symbol = &object->symbols[ELF64_R_SYM(rela->r_info)];
        if (symbol->st_shndx != SHN_UNDEF) /* its own function of that name */
            continue;
        const struct interposition *r = find_interposition(object->strings + symbol->st_name);
        if (!r)
            continue;
        uintptr_t *where = (uintptr_t *)(object->base + rela->r_offset);
        /* A call may not be bound yet; a pointer in data may mean someone else's. */
        if (*where == (uintptr_t)r->replacement ||
            (type == RELOC_POINTER && *where != (uintptr_t)r->original))
            continue;
        write_word(object, where, (uintptr_t)r->replacement);
    }
}

/* Whether the function is in the object from `first` to `end`. (dladdr(3) would look through the
 * names of that, for each.) */
static bool is_within(void (*function)(void), uintptr_t first, uintptr_t end) {
    uintptr_t at = (uintptr_t)function;
    return at >= first && at < end;
}

static int patch_object(struct dl_phdr_info *info, size_t size, void *context) {
    (void)size;
    uint64_t *adds = context;
    *adds = info->dlpi_adds;
    struct object object = {.base = info->dlpi_addr};
    const ElfW(Dyn) *dynamic = NULL;
    uintptr_t first = UINTPTR_MAX, end = 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        if (header->p_type == PT_DYNAMIC) {
            dynamic = (const ElfW(Dyn) *)(object.base + header->p_vaddr);
        } else if (header->p_type == PT_GNU_RELRO) {
            object.protected_from = object.base + header->p_vaddr;
            object.protected_to = object.protected_from + header->p_memsz;
        } else if (header->p_type == PT_LOAD) {
            uintptr_t from = object.base + header->p_vaddr, to = from + header->p_memsz;
            first = from < first ? from : first;
            end = to > end ? to : end;
        }
    }
    caller_object(first, end, info->dlpi_name);
    /* Not ourselves, who mean the originals, and not who provides them. */
    if (!dynamic || is_within((void (*)(void))got_patch, first, end))
        return 0;
    for (const struct interposition *r = interpositions; r->name; r++)
        if (is_within(r->original, first, end))
            return 0;
    const ElfW(Rela) *rela = NULL, *calls = NULL;
    size_t rela_size = 0, calls_size = 0;
    for (; dynamic->d_tag != DT_NULL; dynamic++) {
        /* glibc has relocated these addresses, but for the vDSO's, and musl has not. */
        uintptr_t at = dynamic->d_un.d_ptr;
        if (at < object.base)
            at += object.base;
        switch (dynamic->d_tag) {
        case DT_SYMTAB: object.symbols = (const ElfW(Sym) *)at; break;
        case DT_STRTAB: object.strings = (const char *)at; break;
        case DT_RELA: rela = (const ElfW(Rela) *)at; break;
        case DT_RELASZ: rela_size = dynamic->d_un.d_val; break;
        case DT_JMPREL: calls = (const ElfW(Rela) *)at; break;
        case DT_PLTRELSZ: calls_size = dynamic->d_un.d_val; break;
        }
    }
    if (!object.symbols || !object.strings)
        return 0;
    if (rela)
        patch_relocations(&object, rela, rela_size);
    if (calls)
        patch_relocations(&object, calls, calls_size);
    return 0;
}

static int read_adds(struct dl_phdr_info *info, size_t size, void *context) {
    (void)size;
    *(uint64_t *)context = info->dlpi_adds;
    return 1; /* the first object tells */
}

static void patch_new_objects(void) {
    uint64_t adds = 0;
    dl_iterate_phdr(read_adds, &adds);
    if (adds == atomic_load_explicit(&objects_seen, memory_order_relaxed))
        return;
    dl_iterate_phdr(patch_object, &adds);
    atomic_store_explicit(&objects_seen, adds, memory_order_relaxed);
    after_new_objects();
}

/* The real dlsym and dlopen look at their return address: dlsym for what RTLD_NEXT means. So the
 * call at the end has to be a jump: -O2 makes it one, a test looks. */
#if defined(__GNUC__) && !defined(__clang__)
#define ENDS_BY_JUMP __attribute__((optimize("optimize-sibling-calls")))
#else
#define ENDS_BY_JUMP
#endif

ENDS_BY_JUMP static void *new_dlsym(void *handle, const char *name) {
    patch_new_objects();
    if (handle != RTLD_NEXT) {
        for (const struct interposition *r = interpositions; r->name; r++)
            if (strcmp(name, r->name) == 0 &&
                (uintptr_t)dlsym(handle, name) == (uintptr_t)r->original)
                return (void *)(uintptr_t)r->replacement;
    }
    return dlsym(handle, name);
}

struct opening {
    uintptr_t caller;
    bool depends; /* on its caller, which library is found */
    bool named;   /* by a name, for which directories are searched */
};

/* A library's own directories (ld.so(8)): DT_RUNPATH is for the names that it opens itself,
 * DT_RPATH for whatever is loaded on its behalf. The program's own DT_RPATH is for all. */
static int has_directories(struct dl_phdr_info *info, size_t size, void *context) {
    (void)size;
    struct opening *opening = context;
    const ElfW(Dyn) *dynamic = NULL;
    bool calls = false, rpath = false, runpath = false;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        uintptr_t from = info->dlpi_addr + header->p_vaddr;
        if (header->p_type == PT_DYNAMIC)
            dynamic = (const ElfW(Dyn) *)from;
        else if (header->p_type == PT_LOAD && opening->caller - from < header->p_memsz)
            calls = true;
    }
    for (; dynamic && dynamic->d_tag != DT_NULL; dynamic++) {
        rpath = rpath || dynamic->d_tag == DT_RPATH;
        runpath = runpath || dynamic->d_tag == DT_RUNPATH;
    }
    bool is_program = !*info->dlpi_name;
    opening->depends = (calls && runpath && opening->named) || (rpath && !runpath && !is_program);
    return opening->depends;
}

/* Whether dlopen(3) may find another library if we call it for its caller. */
static bool depends_on_caller(const char *file, const void *caller) {
    struct opening opening = {(uintptr_t)caller, !file || strchr(file, '$'),
                              file && !strchr(file, '/')};
    if (!opening.depends)
        dl_iterate_phdr(has_directories, &opening);
    return opening.depends;
}

/* Constructors of what it loads call the C library directly: after them, after_new_objects() may
 * look. Where we cannot call it ourselves, that is done when something is opened or looked up next.
 */
ENDS_BY_JUMP static void *new_dlopen(const char *file, int mode) {
    if (!depends_on_caller(file, __builtin_return_address(0))) {
        void *handle = dlopen(file, mode);
        patch_new_objects();
        return handle;
    }
    patch_new_objects();
    return dlopen(file, mode);
}

void got_add(const char *name, void (*original)(void), void (*replacement)(void)) {
    if (original && interposition_count < GOT_MOST)
        interpositions[interposition_count++] = (struct interposition){name, original, replacement};
}

bool got_patch(void (*after)(void)) {
    loader_interposition[0] =
        (struct interposition){"dlsym", (void (*)(void))dlsym, (void (*)(void))new_dlsym};
    loader_interposition[1] =
        (struct interposition){"dlopen", (void (*)(void))dlopen, (void (*)(void))new_dlopen};
    after_new_objects = after;
    atomic_store(&objects_seen, 0);
    patch_new_objects();
    return true;
}

#endif
