// Preloaded by crash_test.py into the real program: kills it at a chosen call that changes
// something below a folder, or asks an S3 server (or a node) for a change. Nothing of this is in
// the program itself.
//
//   SELVEDGE_CRASH_PATH   files below it count
//   SELVEDGE_CRASH_PAGE   a file of at least one struct page, shared with the test
//
// What counts is a call of the C library that makes, writes, syncs, renames or removes a file below
// the path, and each sending of a piece of a PUT, POST or DELETE request on any socket.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

struct page {
  _Atomic long remaining;  // calls until the process is killed; never when it is 0 or less
  _Atomic long count;      // calls so far
  _Atomic long after;      // 0: killed before the call, 1: after it, 2: half of a write is done
  _Atomic long offset;     // seconds that are added to the time of day
};

static struct page* shared;
static char folder[PATH_MAX];
static size_t folder_size;
static _Atomic char sends_change[65536];  // by descriptor

__attribute__((constructor)) static void begin(void) {
  const char* file = getenv("SELVEDGE_CRASH_PAGE");
  const char* path = getenv("SELVEDGE_CRASH_PATH");
  if (file == NULL || path == NULL || realpath(path, folder) == NULL) {
    return;
  }
  folder_size = strlen(folder);
  const int page = open(file, O_RDWR | O_CLOEXEC);
  void* mapped = mmap(NULL, sizeof(struct page), PROT_READ | PROT_WRITE, MAP_SHARED, page, 0);
  close(page);
  if (mapped != MAP_FAILED) {
    shared = mapped;
  }
}

static void die(void) {
  kill(getpid(), SIGKILL);
  for (;;) {
    pause();
  }
}

// Whether this call is the one. A call that is to die before it happens does not return.
static int counted(void) {
  if (shared == NULL) {
    return 0;
  }
  atomic_fetch_add(&shared->count, 1);
  if (atomic_load(&shared->remaining) <= 0 || atomic_fetch_sub(&shared->remaining, 1) != 1) {
    return 0;
  }
  if (atomic_load(&shared->after) == 0) {
    die();
  }
  return 1;
}

static int below(const char* path) {
  return shared != NULL && strncmp(path, folder, folder_size) == 0 && path[folder_size] == '/';
}

static int below_at(int parent, const char* path) {
  if (shared == NULL) {
    return 0;
  }
  if (path[0] == '/') {
    return below(path);
  }
  char link[64];
  char full[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", parent);
  const ssize_t size = parent == AT_FDCWD ? -1 : readlink(link, full, sizeof full - 1);
  if (size < 0) {
    return realpath(path, full) != NULL && below(full);
  }
  full[size] = '\0';
  return below(full) || strcmp(full, folder) == 0;
}

static int below_file(int file) { return below_at(file, "."); }

// CALL is the real function's result.
#define CHANGE(TYPE, IS_OURS, CALL) \
  do {                              \
    if (!(IS_OURS)) {               \
      return CALL;                  \
    }                               \
    const int last = counted();     \
    const TYPE result = CALL;       \
    if (last) {                     \
      die();                        \
    }                               \
    return result;                  \
  } while (0)

#define REAL(NAME) ((__typeof__(&NAME))dlsym(RTLD_NEXT, #NAME))

int rename(const char* from, const char* to) { CHANGE(int, below(to), REAL(rename)(from, to)); }
int renameat(int from_at, const char* from, int to_at, const char* to) {
  CHANGE(int, below_at(to_at, to), REAL(renameat)(from_at, from, to_at, to));
}
int renameat2(int from_at, const char* from, int to_at, const char* to, unsigned flags) {
  CHANGE(int, below_at(to_at, to), REAL(renameat2)(from_at, from, to_at, to, flags));
}
int linkat(int from_at, const char* from, int to_at, const char* to, int flags) {
  CHANGE(int, below_at(to_at, to), REAL(linkat)(from_at, from, to_at, to, flags));
}
int unlink(const char* path) { CHANGE(int, below(path), REAL(unlink)(path)); }
int unlinkat(int at, const char* path, int flags) {
  CHANGE(int, below_at(at, path), REAL(unlinkat)(at, path, flags));
}
int mkdir(const char* path, mode_t mode) { CHANGE(int, below(path), REAL(mkdir)(path, mode)); }
int rmdir(const char* path) { CHANGE(int, below(path), REAL(rmdir)(path)); }
int mkostemp(char* pattern, int flags) {
  CHANGE(int, below(pattern), REAL(mkostemp)(pattern, flags));
}
int fsync(int file) { CHANGE(int, below_file(file), REAL(fsync)(file)); }
int fdatasync(int file) { CHANGE(int, below_file(file), REAL(fdatasync)(file)); }
int ftruncate(int file, off_t size) { CHANGE(int, below_file(file), REAL(ftruncate)(file, size)); }

ssize_t write(int file, const void* bytes, size_t size) {
  static ssize_t (*real)(int, const void*, size_t);
  if (real == NULL) {
    real = REAL(write);
  }
  if (shared == NULL || !below_file(file)) {
    return real(file, bytes, size);
  }
  const int last = counted();
  if (last && atomic_load(&shared->after) == 2) {
    real(file, bytes, size / 2);
    die();
  }
  const ssize_t done = real(file, bytes, size);
  if (last) {
    die();
  }
  return done;
}

static int asks_for_change(int file, const void* bytes, size_t size) {
  if (shared == NULL || file < 0 || file >= (int)sizeof sends_change) {
    return 0;
  }
  const char* text = bytes;
#define BEGINS(WORD) (size >= sizeof(WORD) - 1 && memcmp(text, WORD, sizeof(WORD) - 1) == 0)
  if (BEGINS("PUT ") || BEGINS("POST ") || BEGINS("DELETE ")) {
    atomic_store(&sends_change[file], 1);
  } else if (BEGINS("GET ") || BEGINS("HEAD ") || BEGINS("HTTP/")) {
    atomic_store(&sends_change[file], 0);
  }
  return atomic_load(&sends_change[file]);
}

ssize_t send(int file, const void* bytes, size_t size, int flags) {
  static ssize_t (*real)(int, const void*, size_t, int);
  if (real == NULL) {
    real = REAL(send);
  }
  if (!asks_for_change(file, bytes, size)) {
    return real(file, bytes, size, flags);
  }
  const int last = counted();
  if (last && atomic_load(&shared->after) == 2) {
    real(file, bytes, size / 2, flags);
    die();
  }
  const ssize_t done = real(file, bytes, size, flags);
  if (last) {
    die();
  }
  return done;
}

int close(int file) {
  static int (*real)(int);
  if (real == NULL) {
    real = REAL(close);
  }
  if (file >= 0 && file < (int)sizeof sends_change) {
    atomic_store(&sends_change[file], 0);
  }
  return real(file);
}

int clock_gettime(clockid_t clock, struct timespec* time) {
  static int (*real)(clockid_t, struct timespec*);
  if (real == NULL) {
    real = REAL(clock_gettime);
  }
  const int done = real(clock, time);
  if (shared != NULL && done == 0 && clock == CLOCK_REALTIME) {
    time->tv_sec += atomic_load(&shared->offset);
  }
  return done;
}
