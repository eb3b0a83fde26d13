/* How the programs in this folder tell what they see: one line "label: value" at a time, where each
 * label occurs once in a program. The runner compares the lines of a native run with those of a run
 * under Selvedge, so they hold nothing that differs between two correct runs: no process ids, no
 * addresses, no times.
 *
 * The environment names SELF, the program's own file, and FOLDER, where it may write. */
#pragma once

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define NAME_OF(error) \
  case error:          \
    return #error

static inline const char* error_name(int error) {
  switch (error) {
    case 0:
      return "no error";
      NAME_OF(E2BIG);
      NAME_OF(EACCES);
      NAME_OF(EADDRINUSE);
      NAME_OF(EADDRNOTAVAIL);
      NAME_OF(EAFNOSUPPORT);
      NAME_OF(EAGAIN);
      NAME_OF(EALREADY);
      NAME_OF(EBADF);
      NAME_OF(EBUSY);
      NAME_OF(ECHILD);
      NAME_OF(ECONNABORTED);
      NAME_OF(ECONNREFUSED);
      NAME_OF(ECONNRESET);
      NAME_OF(EDEADLK);
      NAME_OF(EDESTADDRREQ);
      NAME_OF(EEXIST);
      NAME_OF(EFAULT);
      NAME_OF(EFBIG);
      NAME_OF(EILSEQ);
      NAME_OF(EINPROGRESS);
      NAME_OF(EINTR);
      NAME_OF(EINVAL);
      NAME_OF(EIO);
      NAME_OF(EISCONN);
      NAME_OF(EISDIR);
      NAME_OF(ELOOP);
      NAME_OF(EMFILE);
      NAME_OF(EMSGSIZE);
      NAME_OF(ENAMETOOLONG);
      NAME_OF(ENODEV);
      NAME_OF(ENOENT);
      NAME_OF(ENOEXEC);
      NAME_OF(ENOMEM);
      NAME_OF(ENOPROTOOPT);
      NAME_OF(ENOSPC);
      NAME_OF(ENOSYS);
      NAME_OF(ENOTCONN);
      NAME_OF(ENOTDIR);
      NAME_OF(ENOTEMPTY);
      NAME_OF(ENOTRECOVERABLE);
      NAME_OF(ENOTSOCK);
      NAME_OF(ENOTSUP);
      NAME_OF(ENOTTY);
      NAME_OF(ENXIO);
      NAME_OF(EOVERFLOW);
      NAME_OF(EPERM);
      NAME_OF(EPIPE);
      NAME_OF(EPROTONOSUPPORT);
      NAME_OF(EPROTOTYPE);
      NAME_OF(ERANGE);
      NAME_OF(EROFS);
      NAME_OF(ESPIPE);
      NAME_OF(ESRCH);
      NAME_OF(ETIMEDOUT);
      NAME_OF(EXDEV);
    default:
      return "another error";
  }
}

#undef NAME_OF

/* Prints a line at once, so that what a child prints is in order too. */
__attribute__((format(printf, 2, 3))) static inline void observe(const char* label,
                                                                 const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  printf("%s: ", label);
  vprintf(format, arguments);
  printf("\n");
  fflush(stdout);
  va_end(arguments);
}

static inline void observe_result(const char* label, long result, int error, int is_number) {
  if (result < 0) {
    observe(label, "%ld %s", result, error_name(error));
  } else if (is_number) {
    observe(label, "%ld", result);
  } else {
    observe(label, "done");
  }
}

/* What a call returns, and the name of its error when that is negative. */
#define NUMBER(label, call)                          \
  do {                                               \
    errno = 0;                                       \
    const long number_of_call = (long)(call);        \
    observe_result(label, number_of_call, errno, 1); \
  } while (0)

/* The same for a call whose result is a descriptor or an id: "done", or its error. */
#define OUTCOME(label, call)                          \
  do {                                                \
    errno = 0;                                        \
    const long outcome_of_call = (long)(call);        \
    observe_result(label, outcome_of_call, errno, 0); \
  } while (0)

/* A condition that holds or not. */
#define TRUTH(label, condition) observe(label, "%s", (condition) ? "yes" : "no")

/* The name of an error which a call returns instead of setting errno. */
#define ERROR_OF(label, call) observe(label, "%s", error_name(call))

/* Ends the program when what a test is built on does not work. */
#define REQUIRE(condition)                                                   \
  do {                                                                       \
    if (!(condition)) {                                                      \
      printf("line %d: %s (%s)\n", __LINE__, #condition, error_name(errno)); \
      fflush(stdout);                                                        \
      _exit(99);                                                             \
    }                                                                        \
  } while (0)

static inline const char* required_variable(const char* name) {
  const char* value = getenv(name);
  REQUIRE(value != NULL);
  return value;
}

/* Makes FOLDER, where it does not exist, the working directory. */
static inline void enter_folder(void) {
  char path[256];
  snprintf(path, sizeof(path), "%s", required_variable("FOLDER"));
  for (char* slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
    *slash = '\0';
    mkdir(path, 0755);
    *slash = '/';
  }
  mkdir(path, 0755);
  REQUIRE(chdir(path) == 0);
}

/* Reads from a descriptor until its end or until the text is full. */
static inline const char* read_all(int descriptor, char* text, size_t size) {
  size_t length = 0;
  ssize_t count = 0;
  while (length < size - 1 && (count = read(descriptor, text + length, size - 1 - length)) > 0) {
    length += (size_t)count;
  }
  text[length] = '\0';
  return text;
}
