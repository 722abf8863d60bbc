/* Preloaded: the wall clock and the times of files are moved by MOVED_CLOCK_S seconds, in this process and its children.
 * With MOVED_CLOCK_FILE by what stands in that file, which a test may change at any moment: two numbers of 64 bits, the
 * seconds, and what adjtimex says of them (0: not synchronised, 1: synchronised).
 *
 * Monotonic clocks and the length of every wait stay as they are. An absolute wait by the wall clock is moved back
 * before the kernel sees it, since the kernel's clock is not moved. Not covered, as nothing here uses them: mq_timed*,
 * aio_suspend, timer_settime, futex() by hand, and programs that are linked statically.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>
#include <utime.h>

static int64_t own[2];
static const volatile int64_t *told = own;
#define moved_s ((time_t)told[0])

__attribute__((constructor)) static void read_environment(void) {
    const char *text = getenv("MOVED_CLOCK_S");
    own[0] = text ? atoll(text) : 0;
    const char *name = getenv("MOVED_CLOCK_FILE");
    int file = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *seen = mmap(NULL, sizeof own, PROT_READ, MAP_SHARED, file, 0);
    if (seen != MAP_FAILED) told = seen;
    close(file);
}

/* What the caller would have reached without us. */
#define NEXT(name) ((__typeof__(name) *)({ static void *found; found ? found : (found = dlsym(RTLD_NEXT, #name)); }))
#define REAL_TIME(clock) ((clock) == CLOCK_REALTIME || (clock) == CLOCK_REALTIME_COARSE || (clock) == CLOCK_TAI)

int clock_gettime(clockid_t clock, struct timespec *at) {
    int failed = NEXT(clock_gettime)(clock, at);
    if (!failed && REAL_TIME(clock)) at->tv_sec += moved_s;
    return failed;
}
int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    int failed = NEXT(gettimeofday)(at, zone);
    if (!failed) at->tv_sec += moved_s;
    return failed;
}
int timespec_get(struct timespec *at, int base) {
    int found = NEXT(timespec_get)(at, base);
    if (found == TIME_UTC) at->tv_sec += moved_s;
    return found;
}
time_t time(time_t *at) {
    time_t now = NEXT(time)(NULL) + moved_s;
    if (at) *at = now;
    return now;
}

int adjtimex(struct timex *about) {
    int state = NEXT(adjtimex)(about);
    if (told == own || about->modes || state < 0) return state;
    about->status = told[1] ? about->status & ~STA_UNSYNC : about->status | STA_UNSYNC;
    return told[1] ? TIME_OK : TIME_ERROR;
}

/* Times of files, read. Programs built for a glibc before 2.33 call the __*xstat names. Node calls the kernel by hand,
 * and sees true times of files. */
#define STAT(name, parameters, arguments, type) \
    int name parameters { \
        int failed = NEXT(name) arguments; \
        if (!failed) found->st_atime += moved_s, found->st_mtime += moved_s, found->st_ctime += moved_s; \
        return failed; \
    }
#define STATS(suffix, type) \
    int __xstat##suffix(int, const char *, type *); \
    int __lxstat##suffix(int, const char *, type *); \
    int __fxstat##suffix(int, int, type *); \
    int __fxstatat##suffix(int, int, const char *, type *, int); \
    STAT(stat##suffix, (const char *restrict path, type *restrict found), (path, found), type) \
    STAT(lstat##suffix, (const char *restrict path, type *restrict found), (path, found), type) \
    STAT(fstat##suffix, (int file, type *found), (file, found), type) \
    STAT(fstatat##suffix, (int at, const char *restrict path, type *restrict found, int flags), (at, path, found, flags), type) \
    STAT(__xstat##suffix, (int version, const char *path, type *found), (version, path, found), type) \
    STAT(__lxstat##suffix, (int version, const char *path, type *found), (version, path, found), type) \
    STAT(__fxstat##suffix, (int version, int file, type *found), (version, file, found), type) \
    STAT(__fxstatat##suffix, (int version, int at, const char *path, type *found, int flags), (version, at, path, found, flags), type)
STATS(, struct stat)
STATS(64, struct stat64)
int statx(int at, const char *restrict path, int flags, unsigned mask, struct statx *restrict found) {
    int failed = NEXT(statx)(at, path, flags, mask, found);
    if (!failed) {
        found->stx_atime.tv_sec += moved_s, found->stx_mtime.tv_sec += moved_s;
        found->stx_ctime.tv_sec += moved_s, found->stx_btime.tv_sec += moved_s;
    }
    return failed;
}

/* Times of files, set: what a caller gives is by the moved clock. With "now" and "as it was" (NULL, UTIME_NOW, UTIME_OMIT)
 * the kernel fills in what it has, and does not look at the seconds. */
static const struct timespec *back_2(const struct timespec times[2], struct timespec back[2]) {
    if (!times) return NULL;
    for (int i = 0; i < 2; i++) {
        back[i] = times[i];
        back[i].tv_sec -= moved_s;
    }
    return back;
}
#define BACK_2(times) back_2((times), (struct timespec[2]){{0}})
#define BACK_TV(times) ((times) ? (struct timeval[2]){{(times)[0].tv_sec - moved_s, (times)[0].tv_usec}, {(times)[1].tv_sec - moved_s, (times)[1].tv_usec}} : NULL)
int utimensat(int at, const char *path, const struct timespec times[2], int flags) {
    return NEXT(utimensat)(at, path, BACK_2(times), flags);
}
int futimens(int file, const struct timespec times[2]) { return NEXT(futimens)(file, BACK_2(times)); }
int utimes(const char *path, const struct timeval times[2]) { return NEXT(utimes)(path, BACK_TV(times)); }
int lutimes(const char *path, const struct timeval times[2]) { return NEXT(lutimes)(path, BACK_TV(times)); }
int futimes(int file, const struct timeval times[2]) { return NEXT(futimes)(file, BACK_TV(times)); }
int futimesat(int at, const char *path, const struct timeval times[2]) { return NEXT(futimesat)(at, path, BACK_TV(times)); }
int utime(const char *path, const struct utimbuf *times) {
    return NEXT(utime)(path, times ? &(struct utimbuf){times->actime - moved_s, times->modtime - moved_s} : NULL);
}

/* Waits until a moment. A condition or a timer does not tell which clock is its own, the moment does: no machine has
 * been up for 16 years, and no clock is moved to before 1986. */
static struct timespec back(const struct timespec *at) {
    return (struct timespec){at->tv_sec > 500000000 ? at->tv_sec - moved_s : at->tv_sec, at->tv_nsec};
}
#define WAIT(name, parameters, ...) int name parameters { struct timespec then = back(until); return NEXT(name)(__VA_ARGS__); }
WAIT(sem_timedwait, (sem_t *restrict of, const struct timespec *restrict until), of, &then)
WAIT(sem_clockwait, (sem_t *restrict of, clockid_t clock, const struct timespec *restrict until), of, clock, &then)
WAIT(pthread_cond_timedwait, (pthread_cond_t *restrict of, pthread_mutex_t *restrict lock, const struct timespec *restrict until), of, lock, &then)
WAIT(pthread_cond_clockwait, (pthread_cond_t *restrict of, pthread_mutex_t *restrict lock, clockid_t clock, const struct timespec *restrict until), of, lock, clock, &then)
WAIT(pthread_mutex_timedlock, (pthread_mutex_t *restrict of, const struct timespec *restrict until), of, &then)
WAIT(pthread_mutex_clocklock, (pthread_mutex_t *restrict of, clockid_t clock, const struct timespec *restrict until), of, clock, &then)
WAIT(pthread_rwlock_timedrdlock, (pthread_rwlock_t *restrict of, const struct timespec *restrict until), of, &then)
WAIT(pthread_rwlock_timedwrlock, (pthread_rwlock_t *restrict of, const struct timespec *restrict until), of, &then)
int clock_nanosleep(clockid_t clock, int flags, const struct timespec *until, struct timespec *left) {
    struct timespec then = flags & TIMER_ABSTIME ? back(until) : *until;
    return NEXT(clock_nanosleep)(clock, flags, &then, left);
}
int timerfd_settime(int file, int flags, const struct itimerspec *next, struct itimerspec *old) {
    struct itimerspec then = *next;
    if (flags & TFD_TIMER_ABSTIME) then.it_value = back(&next->it_value);
    return NEXT(timerfd_settime)(file, flags, &then, old);
}
