// What POSIX programs do with files beyond reading and writing them, by its argument: links to
// absolute paths, positions in directories, files as standard streams, sockets as files, /dev/shm.
// Prints what it finds.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wasix.h>

static void say(const char* what, int result) {
  printf("%s: %s\n", what, result < 0 ? strerror(errno) : "ok");
}

static void show(const char* path) {
  char text[256];
  const int fd = open(path, O_RDONLY);
  const ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof(text));
  if (size < 0) {
    printf("%s: %s\n", path, strerror(errno));
  } else {
    printf("%s: %.*s\n", path, (int)size, text);
  }
  close(fd);
}

static int put(const char* path, const char* text) {
  const int fd = open(path, O_CREAT | O_WRONLY, 0644);
  const ssize_t size = fd < 0 ? -1 : write(fd, text, strlen(text));
  close(fd);
  return size < 0 ? -1 : 0;
}

// In the folder `at`.
static void links(const char* at) {
  char path[256], target[256];
  snprintf(target, sizeof(target), "%s/file", at);
  snprintf(path, sizeof(path), "%s/link", at);
  say("put", put(target, "text"));
  say("symlink", symlink(target, path));
  const ssize_t size = readlink(path, target, sizeof(target));
  printf("%.*s\n", (int)size, target);
  show(path);
  say("symlink", symlink("/etc/passwd", strcat(strcpy(path, at), "/passwd")));
  show(path);
  say("symlink", symlink(path, strcat(strcpy(path, at), "/loop")));
  say("unlink", unlink(path));
  say("symlink", symlink(path, path));
  show(path);
}

// A position kept before each entry of the folder leads back to it.
static void positions(const char* folder) {
  enum { kMax = 4096 };
  static long kept[kMax];
  static char* names[kMax];
  DIR* directory = opendir(folder);
  if (directory == NULL) {
    perror(folder);
    exit(1);
  }
  int count = 0, wrong = 0;
  for (const struct dirent* entry; count < kMax; ++count) {
    kept[count] = telldir(directory);
    entry = readdir(directory);
    if (entry == NULL) {
      break;
    }
    names[count] = strdup(entry->d_name);
  }
  for (int i = count - 1; i >= 0; --i) {
    seekdir(directory, kept[i]);
    const struct dirent* entry = readdir(directory);
    wrong += entry == NULL || strcmp(entry->d_name, names[i]) != 0 || kept[i] < 0;
  }
  printf("%d entries, %d wrong\n", count, wrong);
}

static void describe(const char* name, int fd) {
  struct stat stat;
  const int known = fstat(fd, &stat);
  const long at = (long)lseek(fd, 0, SEEK_CUR);
  fprintf(stderr, "%s: %s, size %ld, at %ld\n", name,
          known == 0 && S_ISREG(stat.st_mode) ? "file" : "no file",
          known == 0 && S_ISREG(stat.st_mode) ? (long)stat.st_size : -1, at);
}

static void streams(void) {
  char text[8] = {0};
  describe("in", 0);
  if (lseek(0, 2, SEEK_CUR) >= 0) {
    fprintf(stderr, "read %zd: %s\n", read(0, text, 3), text);
  }
  describe("in", 0);
  describe("out", 1);
  if (write(1, "written\n", 8) != 8 || (lseek(1, -8, SEEK_CUR) >= 0 && write(1, "W", 1) != 1)) {
    perror("write");
  }
  describe("out", 1);
}

static int bound(const char* path) {
  wasix_addr_port address = {.tag = WASIX_AF_UNIX};
  memcpy(address.data, path, strlen(path));
  int32_t fd;
  if ((errno = wasix_sock_open(WASIX_AF_UNIX, WASIX_SOCK_STREAM, 0, &fd)) != 0 ||
      (errno = wasix_sock_bind(fd, &address)) != 0 || (errno = wasix_sock_listen(fd, 4)) != 0) {
    return -1;
  }
  return fd;
}

static int connected(const char* path) {
  wasix_addr_port address = {.tag = WASIX_AF_UNIX};
  memcpy(address.data, path, strlen(path));
  int32_t fd;
  if ((errno = wasix_sock_open(WASIX_AF_UNIX, WASIX_SOCK_STREAM, 0, &fd)) != 0 ||
      (errno = wasix_sock_connect(fd, &address)) != 0) {
    return -1;
  }
  return fd;
}

// In the folder `at`.
static void sockets(const char* at) {
  char path[256];
  snprintf(path, sizeof(path), "%s/service", at);
  const int listener = bound(path);
  say("bind", listener);
  struct stat stat_;
  say("stat", stat(path, &stat_));
  printf("socket: %d\n", S_ISSOCK(stat_.st_mode));
  say("bind again", bound(path));
  say("connect", connected(path));
  close(listener);
  say("connect to the closed one", connected(path));
  say("unlink", unlink(path));
  say("connect to the removed one", connected(path));
  say("bind", bound(path));
}

int main(int argc, char** argv) {
  const char* what = argc > 1 ? argv[1] : "";
  const char* folder = argc > 2 ? argv[2] : "/tmp";
  if (strcmp(what, "links") == 0) {
    links(folder);
  } else if (strcmp(what, "positions") == 0) {
    positions(folder);
  } else if (strcmp(what, "streams") == 0) {
    streams();
  } else if (strcmp(what, "sockets") == 0) {
    sockets(folder);
  } else if (strcmp(what, "shared") == 0) {
    say("put", put("/dev/shm/memory", "shared"));
    show("/dev/shm/memory");
  } else {
    return 2;
  }
  return 0;
}
