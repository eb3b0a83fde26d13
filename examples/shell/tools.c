// Three commands in one program, told apart by the name that they are started under.
//   cat [FILE...]   copies the files, or standard input
//   wc              lines, words and bytes of standard input
//   upper           standard input in capitals
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "working_directory.h"

enum { kBlockBytes = 16384, kStatusUsage = 2 };

static char block[kBlockBytes];

static int fail(const char* who, const char* what) {
  fprintf(stderr, "%s: %s: %s\n", who, what, strerror(errno));
  return 1;
}

static int write_block(size_t size) {
  for (size_t done = 0; done < size;) {
    const ssize_t count = write(1, block + done, size - done);
    if (count < 0) {
      return 0;
    }
    done += (size_t)count;
  }
  return 1;
}

static int copy(int fd, const char* name) {
  ssize_t count;
  while ((count = read(fd, block, sizeof(block))) > 0) {
    if (!write_block((size_t)count)) {
      return fail("cat", "output");
    }
  }
  return count == 0 ? 0 : fail("cat", name);
}

static int cat(int argc, char** argv) {
  if (argc < 2) {
    return copy(0, "input");
  }
  int status = 0;
  for (int i = 1; i < argc; ++i) {
    const int fd = open(argv[i], O_RDONLY);
    status |= fd < 0 ? fail("cat", argv[i]) : copy(fd, argv[i]);
    if (fd >= 0) {
      close(fd);
    }
  }
  return status;
}

static int count_words(void) {
  unsigned long long lines = 0, words = 0, bytes = 0;
  int in_word = 0;
  ssize_t count;
  while ((count = read(0, block, sizeof(block))) > 0) {
    for (ssize_t i = 0; i < count; ++i) {
      const int is_space = isspace((unsigned char)block[i]) != 0;
      lines += block[i] == '\n';
      words += !is_space && !in_word;
      in_word = !is_space;
    }
    bytes += (unsigned long long)count;
  }
  printf("%llu %llu %llu\n", lines, words, bytes);
  return count == 0 && fflush(stdout) == 0 ? 0 : fail("wc", "input");
}

static int to_upper(void) {
  ssize_t count;
  while ((count = read(0, block, sizeof(block))) > 0) {
    for (ssize_t i = 0; i < count; ++i) {
      block[i] = (char)toupper((unsigned char)block[i]);
    }
    if (!write_block((size_t)count)) {
      return fail("upper", "output");
    }
  }
  return count == 0 ? 0 : fail("upper", "input");
}

int main(int argc, char** argv) {
  char path[PATH_MAX];
  enter_working_directory(path);
  const char* const slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
  const char* const name = slash != NULL ? slash + 1 : argc > 0 ? argv[0] : "";
  if (strcmp(name, "cat") == 0) {
    return cat(argc, argv);
  }
  if (strcmp(name, "wc") == 0) {
    return count_words();
  }
  if (strcmp(name, "upper") == 0) {
    return to_upper();
  }
  fprintf(stderr, "tools: start this as cat, wc or upper\n");
  return kStatusUsage;
}
