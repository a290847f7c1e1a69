/* Preloaded into one of our processes, this puts it on a machine of another time and another boot.
 *
 * ELSEWHERE names a file, read once at the start: seconds to add to the wall clock, seconds to add to CLOCK_BOOTTIME, and a
 * file to read in place of the kernel's boot id ("-" for the real one). Steady clocks stay as they are. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long wall, boottime;
static char boot_id[1024] = "-";

__attribute__((constructor)) static void read_settings(void) {
    const char *path = getenv("ELSEWHERE");
    FILE *file = path ? fopen(path, "r") : NULL;
    if (!file || fscanf(file, "%ld %ld %1023s", &wall, &boottime, boot_id) != 3)
        abort();
    fclose(file);
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    int result = (int)syscall(SYS_clock_gettime, clock, time);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        time->tv_sec += wall;
    if (result == 0 && clock == CLOCK_BOOTTIME)
        time->tv_sec += boottime;
    return result;
}

static int open_instead(const char *path, int flags, mode_t mode) {
    if (strcmp(boot_id, "-") != 0 && strcmp(path, "/proc/sys/kernel/random/boot_id") == 0)
        path = boot_id;
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = va_arg(rest, mode_t);
    va_end(rest);
    return open_instead(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = va_arg(rest, mode_t);
    va_end(rest);
    return open_instead(path, flags | O_LARGEFILE, mode);
}
