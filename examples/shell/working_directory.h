// A process has a working directory that its children inherit; wasi-libc has another one for the
// paths that it resolves. This brings the second in line with the first.
#ifndef WORKING_DIRECTORY_H
#define WORKING_DIRECTORY_H

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "wasix.h"

// Leaves the path in `path`, which has room for PATH_MAX bytes. 0 or an errno.
static inline int enter_working_directory(char* path) {
  uint32_t size = PATH_MAX;
  const int error = wasix_getcwd(path, &size);
  if (error != 0) {
    return error;
  }
  return chdir(path) == 0 ? 0 : errno;
}

// 0 or an errno.
static inline int change_working_directory(const char* to) {
  char path[PATH_MAX];
  const int error = wasix_chdir(to, strlen(to));
  return error != 0 ? error : enter_working_directory(path);
}

#endif
