/* Symbolic and hard links, what stat tells of files, and times. */
#include <fcntl.h>
#include <limits.h>
#include <sys/time.h>
#include <time.h>

#include "observe.h"

static const char* kind_of(mode_t mode) {
  return S_ISREG(mode)    ? "file"
         : S_ISDIR(mode)  ? "folder"
         : S_ISLNK(mode)  ? "link"
         : S_ISCHR(mode)  ? "character device"
         : S_ISFIFO(mode) ? "pipe"
         : S_ISSOCK(mode) ? "socket"
                          : "something";
}

static void observe_kind(const char* label, const char* path, int follow) {
  struct stat status;
  if (fstatat(AT_FDCWD, path, &status, follow ? 0 : AT_SYMLINK_NOFOLLOW) != 0) {
    observe(label, "%s", error_name(errno));
  } else {
    observe(label, "%s", kind_of(status.st_mode));
  }
}

static void symbolic(void) {
  char text[PATH_MAX] = {0};
  char target[PATH_MAX];
  NUMBER("symlink", symlink("data", "link"));
  NUMBER("symlink over what exists", symlink("data", "link"));
  observe_kind("the link itself", "link", 0);
  observe_kind("through the link", "link", 1);
  NUMBER("readlink", readlink("link", text, sizeof(text)));
  observe("target", "%s", text);
  NUMBER("readlink into too little", readlink("link", text, 2));
  NUMBER("readlink of a file", readlink("data", text, sizeof(text)));
  OUTCOME("open without following", open("link", O_RDONLY | O_NOFOLLOW));
  NUMBER("a link to nothing", symlink("none", "broken"));
  observe_kind("through the link to nothing", "broken", 1);
  OUTCOME("open through it", open("broken", O_RDONLY));
  NUMBER("a link to itself", symlink("loop", "loop"));
  observe_kind("through the loop", "loop", 1);
  snprintf(target, sizeof(target), "%s/data", required_variable("FOLDER"));
  NUMBER("a link to an absolute path", symlink(target, "absolute"));
  observe_kind("through the link to an absolute path", "absolute", 1);
  memset(text, 0, sizeof(text));
  readlink("absolute", text, sizeof(text) - 1);
  TRUTH("its target", strcmp(text, target) == 0);
  OUTCOME("open through the link to an absolute path", open("absolute", O_RDONLY));
  char* resolved = realpath("absolute", NULL);
  TRUTH("realpath through it", resolved != NULL && strcmp(resolved, target) == 0);
  free(resolved);
  NUMBER("a folder", mkdir("folder", 0755));
  NUMBER("a link upwards", symlink("../data", "folder/up"));
  observe_kind("through the link upwards", "folder/up", 1);
  NUMBER("a link to a folder", symlink("folder", "way"));
  NUMBER("a path through it", access("way/up", R_OK));
  NUMBER("chdir through it", chdir("way"));
  TRUTH("getcwd is the real folder",
        strcmp(strrchr(getcwd(text, sizeof(text)), '/'), "/folder") == 0);
  NUMBER("back", chdir(".."));
  NUMBER("rename a link", rename("link", "renamed"));
  observe_kind("the renamed link", "renamed", 0);
  NUMBER("unlink a link", unlink("renamed"));
  observe_kind("its target stays", "data", 1);
}

static void hard(void) {
  struct stat one;
  struct stat two;
  NUMBER("link", link("data", "second"));
  NUMBER("link over what exists", link("data", "second"));
  NUMBER("link to a folder fails", link("folder", "third") == 0);
  REQUIRE(stat("data", &one) == 0 && stat("second", &two) == 0);
  TRUTH("both names are one file", one.st_ino == two.st_ino && one.st_dev == two.st_dev);
  observe("links", "%d", (int)one.st_nlink);
  const int file = open("second", O_WRONLY | O_APPEND);
  NUMBER("write through one name", write(file, "!", 1));
  close(file);
  NUMBER("the other has the size", (stat("data", &one), one.st_size));
  NUMBER("unlink the first name", unlink("data"));
  NUMBER("links of what remains", (stat("second", &two), two.st_nlink));
  NUMBER("move it back", rename("second", "data"));
}

static void statuses(void) {
  struct stat status;
  int ends[2];
  REQUIRE(stat("data", &status) == 0);
  observe("kind of a file", "%s", kind_of(status.st_mode));
  observe("size", "%ld", (long)status.st_size);
  TRUTH("times are set", status.st_mtime > 1000000000 && status.st_ctime > 1000000000);
  observe_kind("kind of a folder", "folder", 1);
  observe_kind("kind of the root", "/", 1);
  observe_kind("kind of the null device", "/dev/null", 1);
  REQUIRE(pipe(ends) == 0 && fstat(ends[0], &status) == 0);
  observe("kind of a pipe", "%s", kind_of(status.st_mode));
  NUMBER("fstat of a closed descriptor", fstat(999, &status));
  NUMBER("stat of nothing", stat("none", &status));
  NUMBER("stat with a slash after a file", stat("data/", &status));
  NUMBER("access to write", access("data", R_OK | W_OK));
  REQUIRE(stat("folder", &status) == 0);
  const ino_t folder = status.st_ino;
  TRUTH("inodes differ", stat("data", &status) == 0 && status.st_ino != folder);
}

static void times(void) {
  struct stat status;
  const struct timespec set[2] = {{1000, 0}, {2000, 500}};
  NUMBER("utimensat", utimensat(AT_FDCWD, "data", set, 0));
  REQUIRE(stat("data", &status) == 0);
  observe("times", "%ld %ld.%09ld", (long)status.st_atim.tv_sec, (long)status.st_mtim.tv_sec,
          (long)status.st_mtim.tv_nsec);
  const struct timespec keep[2] = {{0, UTIME_OMIT}, {0, UTIME_NOW}};
  NUMBER("utimensat of one time", utimensat(AT_FDCWD, "data", keep, 0));
  REQUIRE(stat("data", &status) == 0);
  observe("the other is kept", "%ld", (long)status.st_atim.tv_sec);
  TRUTH("this one is now", status.st_mtim.tv_sec > 1000000000);
  const int file = open("data", O_RDWR);
  const struct timespec other[2] = {{3000, 0}, {4000, 0}};
  NUMBER("futimens", futimens(file, other));
  REQUIRE(fstat(file, &status) == 0);
  observe("times by futimens", "%ld %ld", (long)status.st_atime, (long)status.st_mtime);
  NUMBER("write", write(file, "x", 1));
  REQUIRE(fstat(file, &status) == 0);
  TRUTH("writing changes the time", status.st_mtime > 1000000000);
  close(file);
}

int main(void) {
  enter_folder();
  const int file = open("data", O_WRONLY | O_CREAT, 0644);
  REQUIRE(file >= 0 && write(file, "12345", 5) == 5 && close(file) == 0);
  symbolic();
  hard();
  statuses();
  times();
  return 0;
}
