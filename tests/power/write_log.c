/* Preloaded: what this process and its children do to the files below POWER_ROOT goes into the log POWER_LOG, in order.
 *
 * A record is written after the call that it tells of has come back, by one append, so that the order of the log is one in
 * which the file system may have seen the calls. A sync has two records: it promises what was there when it began, from
 * when it has ended. What is not understood here (a shared map that is written, a link, sendfile) is a record of its own,
 * on which the reader gives up: nothing is passed over in silence. disk.py reads it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define NEXT(name) ((__typeof__(name) *)({ static void *found; found ? found : (found = dlsym(RTLD_NEXT, #name)); }))
#define MOST_FDS 4096

static char root[PATH_MAX];
static size_t root_length;
static int log_fd = -1;
static char watched[MOST_FDS]; /* 1: a file of ours; 2: one whose content no power cut matters to (-shm) */

struct head {
    uint32_t kind, first, second, data;
    uint64_t inode, offset, ticket;
};

__attribute__((constructor)) static void begin(void) {
    const char *where = getenv("POWER_ROOT"), *log = getenv("POWER_LOG");
    if (!where || !log || strlen(where) >= sizeof root) return;
    strcpy(root, where);
    root_length = strlen(root);
    log_fd = NEXT(open)(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    /* Far from the numbers that programs close by hand. */
    int high = fcntl(log_fd, F_DUPFD_CLOEXEC, MOST_FDS / 2);
    if (high >= 0) {
        NEXT(close)(log_fd);
        log_fd = high;
    }
}

static void tell(char kind, const char *first, const char *second, const void *data, size_t length, uint64_t inode, uint64_t offset, uint64_t ticket) {
    if (log_fd < 0) return;
    int kept = errno;
    struct head head = {(uint32_t)kind, first ? strlen(first) : 0, second ? strlen(second) : 0, length, inode, offset, ticket};
    struct iovec parts[] = {{&head, sizeof head}, {(void *)first, head.first}, {(void *)second, head.second}, {(void *)data, length}};
    if (writev(log_fd, parts, 4) < 0) abort();
    errno = kept;
}

/* The path of `path` as seen from the folder `at`, or NULL where it is not below the root. */
static const char *ours(int at, const char *path, char *into) {
    if (log_fd < 0 || !path) return NULL;
    char base[PATH_MAX] = "";
    if (path[0] != '/') {
        if (at == AT_FDCWD) {
            if (!getcwd(base, sizeof base)) return NULL;
        } else {
            char link[64];
            snprintf(link, sizeof link, "/proc/self/fd/%d", at);
            ssize_t length = readlink(link, base, sizeof base - 1);
            if (length < 0) return NULL;
            base[length] = 0;
        }
    }
    int length = snprintf(into, PATH_MAX, "%s%s%s", base, base[0] ? "/" : "", path);
    if (length < 0 || length >= PATH_MAX) return NULL;
    if (strncmp(into, root, root_length)) return NULL;
    return into[root_length] == '/' ? into + root_length + 1 : into[root_length] ? NULL : ".";
}

static uint64_t inode_of(int fd) {
    struct stat found;
    return fstat(fd, &found) ? 0 : found.st_ino;
}

static int is_shm(const char *path) {
    size_t length = strlen(path);
    return length > 4 && !strcmp(path + length - 4, "-shm");
}

static void opened(int fd, const char *path, int flags, int was_there) {
    if (fd < 0) return;
    if (fd >= MOST_FDS) abort();
    watched[fd] = 0;
    if (!path) return;
    struct stat found;
    if (fstat(fd, &found)) return;
    if (S_ISDIR(found.st_mode)) {
        watched[fd] = 1;
        return;
    }
    if (!S_ISREG(found.st_mode)) return;
    watched[fd] = is_shm(path) ? 2 : 1;
    if (watched[fd] == 2) return;
    uint32_t mode = found.st_mode & 07777;
    if (!was_there) tell('c', path, NULL, &mode, sizeof mode, found.st_ino, 0, 0);
    else if (flags & O_TRUNC) tell('t', NULL, NULL, NULL, 0, found.st_ino, 0, 0);
}

static int open_as(int at, const char *path, int flags, mode_t mode) {
    char whole[PATH_MAX];
    const char *inside = ours(at, path, whole);
    struct stat found;
    int was_there = !inside || !(flags & O_CREAT) || !fstatat(at, path, &found, 0);
    int fd = NEXT(openat)(at, path, flags, mode);
    opened(fd, inside, flags, was_there);
    return fd;
}

#define MODE() \
    mode_t mode = 0; \
    if (flags & (O_CREAT | O_TMPFILE)) { \
        va_list more; \
        va_start(more, flags); \
        mode = va_arg(more, int); \
        va_end(more); \
    }
int open(const char *path, int flags, ...) { MODE() return open_as(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE() return open_as(AT_FDCWD, path, flags, mode); }
int openat(int at, const char *path, int flags, ...) { MODE() return open_as(at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) { MODE() return open_as(at, path, flags, mode); }
int creat(const char *path, mode_t mode) { return open_as(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }
int creat64(const char *path, mode_t mode) { return open_as(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }
static FILE *stream(FILE *file, const char *path, const char *mode) {
    char whole[PATH_MAX];
    const char *inside = file && strpbrk(mode, "wa+") ? ours(AT_FDCWD, path, whole) : NULL;
    if (inside) tell('x', "fopen", inside, NULL, 0, 0, 0, 0);
    return file;
}
FILE *fopen(const char *path, const char *mode) { return stream(NEXT(fopen)(path, mode), path, mode); }
FILE *fopen64(const char *path, const char *mode) { return stream(NEXT(fopen64)(path, mode), path, mode); }

static int watches(int fd) { return fd >= 0 && fd < MOST_FDS && watched[fd] == 1; }
int close(int fd) {
    if (fd == log_fd) return 0;
    if (fd >= 0 && fd < MOST_FDS) watched[fd] = 0;
    return NEXT(close)(fd);
}
static int copied(int from, int to) {
    if (to >= 0 && to < MOST_FDS && from >= 0 && from < MOST_FDS) watched[to] = watched[from];
    return to;
}
int dup(int fd) { return copied(fd, NEXT(dup)(fd)); }
int dup2(int fd, int to) { return copied(fd, NEXT(dup2)(fd, to)); }
int dup3(int fd, int to, int flags) { return copied(fd, NEXT(dup3)(fd, to, flags)); }

static ssize_t wrote(int fd, const void *data, ssize_t length, off_t offset) {
    if (length > 0 && watches(fd)) tell('w', NULL, NULL, data, length, inode_of(fd), offset, 0);
    return length;
}
ssize_t write(int fd, const void *data, size_t length) {
    ssize_t done = NEXT(write)(fd, data, length);
    /* Where it went: an append's place is known after it alone. One process writes each file at a time. */
    return watches(fd) ? wrote(fd, data, done, done > 0 ? lseek(fd, 0, SEEK_CUR) - done : 0) : done;
}
ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) { return wrote(fd, data, NEXT(pwrite)(fd, data, length, offset), offset); }
ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset) { return wrote(fd, data, NEXT(pwrite)(fd, data, length, offset), offset); }
#define NOT_UNDERSTOOD(name, type, parameters, arguments, fd) \
    type name parameters { \
        type done = NEXT(name) arguments; \
        if (watches(fd)) tell('x', #name, NULL, NULL, 0, inode_of(fd), 0, 0); \
        return done; \
    }
NOT_UNDERSTOOD(writev, ssize_t, (int fd, const struct iovec *parts, int count), (fd, parts, count), fd)
NOT_UNDERSTOOD(pwritev, ssize_t, (int fd, const struct iovec *parts, int count, off_t offset), (fd, parts, count, offset), fd)
NOT_UNDERSTOOD(copy_file_range, ssize_t, (int from, off64_t *a, int to, off64_t *b, size_t length, unsigned flags), (from, a, to, b, length, flags), to)
ssize_t sendfile(int, int, off_t *, size_t);
ssize_t sendfile64(int, int, off64_t *, size_t);
NOT_UNDERSTOOD(sendfile, ssize_t, (int to, int from, off_t *offset, size_t length), (to, from, offset, length), to)
NOT_UNDERSTOOD(sendfile64, ssize_t, (int to, int from, off64_t *offset, size_t length), (to, from, offset, length), to)
NOT_UNDERSTOOD(fallocate, int, (int fd, int mode, off_t offset, off_t length), (fd, mode, offset, length), fd)
NOT_UNDERSTOOD(fallocate64, int, (int fd, int mode, off64_t offset, off64_t length), (fd, mode, offset, length), fd)
NOT_UNDERSTOOD(posix_fallocate, int, (int fd, off_t offset, off_t length), (fd, offset, length), fd)
NOT_UNDERSTOOD(posix_fallocate64, int, (int fd, off64_t offset, off64_t length), (fd, offset, length), fd)
static void *mapped(void *found, int protection, int flags, int fd) {
    if (found != MAP_FAILED && (protection & PROT_WRITE) && (flags & MAP_SHARED) && watches(fd)) tell('x', "mmap", NULL, NULL, 0, inode_of(fd), 0, 0);
    return found;
}
void *mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset) {
    return mapped(NEXT(mmap)(at, length, protection, flags, fd, offset), protection, flags, fd);
}
void *mmap64(void *at, size_t length, int protection, int flags, int fd, off64_t offset) {
    return mapped(NEXT(mmap)(at, length, protection, flags, fd, offset), protection, flags, fd);
}

static int cut(int failed, int fd, off_t length) {
    if (!failed && watches(fd)) tell('t', NULL, NULL, NULL, 0, inode_of(fd), length, 0);
    return failed;
}
int ftruncate(int fd, off_t length) { return cut(NEXT(ftruncate)(fd, length), fd, length); }
int ftruncate64(int fd, off64_t length) { return cut(NEXT(ftruncate)(fd, length), fd, length); }
static int cut_path(int failed, const char *path, off_t length) {
    char whole[PATH_MAX];
    struct stat found;
    if (!failed && ours(AT_FDCWD, path, whole) && !stat(path, &found)) tell('t', NULL, NULL, NULL, 0, found.st_ino, length, 0);
    return failed;
}
int truncate(const char *path, off_t length) { return cut_path(NEXT(truncate)(path, length), path, length); }
int truncate64(const char *path, off64_t length) { return cut_path(NEXT(truncate)(path, length), path, length); }
int fchmod(int fd, mode_t mode) {
    int failed = NEXT(fchmod)(fd, mode);
    if (!failed && watches(fd)) tell('a', NULL, NULL, NULL, 0, inode_of(fd), mode & 07777, 0);
    return failed;
}

static int renamed(int failed, int from_at, const char *from, int to_at, const char *to) {
    char a[PATH_MAX], b[PATH_MAX];
    if (failed) return failed;
    const char *first = ours(from_at, from, a), *second = ours(to_at, to, b);
    if (first && second) tell('r', first, second, NULL, 0, 0, 0, 0);
    else if (first || second) tell('x', "rename over the edge", first ? first : second, NULL, 0, 0, 0, 0);
    return failed;
}
int rename(const char *from, const char *to) { return renamed(NEXT(rename)(from, to), AT_FDCWD, from, AT_FDCWD, to); }
int renameat(int a, const char *from, int b, const char *to) { return renamed(NEXT(renameat)(a, from, b, to), a, from, b, to); }
int renameat2(int a, const char *from, int b, const char *to, unsigned flags) {
    return renamed(NEXT(renameat2)(a, from, b, to, flags), a, from, b, to);
}
static int named(char kind, int failed, int at, const char *path) {
    char whole[PATH_MAX];
    const char *inside = failed ? NULL : ours(at, path, whole);
    if (inside && !is_shm(inside)) tell(kind, inside, NULL, NULL, 0, 0, 0, 0);
    return failed;
}
int unlink(const char *path) { return named('u', NEXT(unlink)(path), AT_FDCWD, path); }
int unlinkat(int at, const char *path, int flags) { return named(flags & AT_REMOVEDIR ? 'd' : 'u', NEXT(unlinkat)(at, path, flags), at, path); }
int remove(const char *path) { return named('u', NEXT(remove)(path), AT_FDCWD, path); }
int rmdir(const char *path) { return named('d', NEXT(rmdir)(path), AT_FDCWD, path); }
int mkdir(const char *path, mode_t mode) { return named('m', NEXT(mkdir)(path, mode), AT_FDCWD, path); }
int mkdirat(int at, const char *path, mode_t mode) { return named('m', NEXT(mkdirat)(at, path, mode), at, path); }
int link(const char *from, const char *to) {
    int failed = NEXT(link)(from, to);
    char whole[PATH_MAX];
    if (!failed && ours(AT_FDCWD, to, whole)) tell('x', "link", to, NULL, 0, 0, 0, 0);
    return failed;
}

/* The folder that is synced is told by its path: it has no record of its own that would bring its inode. */
static int synced(int (*sync)(int), int fd) {
    if (!watches(fd)) return sync(fd);
    static uint64_t count;
    uint64_t ticket = (uint64_t)getpid() << 32 | (__atomic_add_fetch(&count, 1, __ATOMIC_SEQ_CST) & 0xffffffff);
    struct stat found;
    char link[64], path[PATH_MAX] = "";
    if (!fstat(fd, &found) && S_ISDIR(found.st_mode)) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t length = readlink(link, path, sizeof path - 1);
        path[length > 0 ? length : 0] = 0;
    }
    const char *inside = path[0] ? (path[root_length] ? path + root_length + 1 : ".") : NULL;
    tell('s', inside, NULL, NULL, 0, found.st_ino, 0, ticket);
    int failed = sync(fd);
    if (!failed) tell('e', inside, NULL, NULL, 0, found.st_ino, 0, ticket);
    return failed;
}
int fsync(int fd) { return synced(NEXT(fsync), fd); }
int fdatasync(int fd) { return synced(NEXT(fdatasync), fd); }
