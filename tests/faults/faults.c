/* Loaded before libc by LD_PRELOAD: makes the nth call on files of one folder fail. Armed and asked through ctypes. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

enum { WRITE, SEEK, SYNC, CLOSE, RENAME, KINDS };

static char folder[4096];
static int armed, chosen, turn, sticky, count[KINDS];

/* Calls of every kind are counted; those of the chosen kind fail at their turn, and from then on where it is sticky. */
void fault_arm(const char *where, int kind, int nth, int from_then_on) {
    snprintf(folder, sizeof folder, "%s", where);
    memset(count, 0, sizeof count);
    chosen = kind, turn = nth, sticky = from_then_on, armed = 1;
}
void fault_disarm(void) { armed = 0; }
int fault_count(int kind) { return count[kind]; }

static int fails(int kind) {
    count[kind]++;
    if (kind != chosen || !(count[kind] == turn || (sticky && count[kind] > turn))) return 0;
    errno = kind == WRITE ? ENOSPC : EIO;
    return 1;
}

static int in_folder(int file) {
    char link[64], name[4096];
    if (!armed) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t size = readlink(link, name, sizeof name - 1);
    if (size < 0) return 0;
    name[size] = 0;
    return strncmp(name, folder, strlen(folder)) == 0;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int file, const void *data, size_t size) {
    return in_folder(file) && fails(WRITE) ? -1 : REAL(write)(file, data, size);
}
size_t fwrite(const void *data, size_t size, size_t items, FILE *file) {
    return in_folder(fileno(file)) && fails(WRITE) ? 0 : REAL(fwrite)(data, size, items, file);
}
off_t lseek(int file, off_t place, int whence) {
    return in_folder(file) && fails(SEEK) ? -1 : REAL(lseek)(file, place, whence);
}
off64_t lseek64(int file, off64_t place, int whence) {
    return in_folder(file) && fails(SEEK) ? -1 : REAL(lseek64)(file, place, whence);
}
int ftruncate(int file, off_t size) { return in_folder(file) && fails(WRITE) ? -1 : REAL(ftruncate)(file, size); }
int ftruncate64(int file, off64_t size) { return in_folder(file) && fails(WRITE) ? -1 : REAL(ftruncate64)(file, size); }
/* Of the many syncs of a test none reaches the disk, which would take most of its time. */
int fsync(int file) {
    if (!in_folder(file)) return REAL(fsync)(file);
    return fails(SYNC) ? -1 : 0;
}
int fdatasync(int file) { return fsync(file); }
/* Linux closes the file in any case. */
int close(int file) {
    int failed = in_folder(file) && fails(CLOSE), result = REAL(close)(file);
    if (failed) errno = EIO;
    return failed ? -1 : result;
}
int rename(const char *from, const char *to) { return armed && fails(RENAME) ? -1 : REAL(rename)(from, to); }
int renameat2(int a, const char *from, int b, const char *to, unsigned flags) {
    return armed && fails(RENAME) ? -1 : REAL(renameat2)(a, from, b, to, flags);
}
int link(const char *from, const char *to) { return armed && fails(RENAME) ? -1 : REAL(link)(from, to); }
int linkat(int a, const char *from, int b, const char *to, int flags) {
    return armed && fails(RENAME) ? -1 : REAL(linkat)(a, from, b, to, flags);
}
