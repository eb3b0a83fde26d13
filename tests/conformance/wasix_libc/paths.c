/* Names of files: slashes, dots, links on the way, and names that are too long. */
#include <fcntl.h>
#include <limits.h>

#include "observe.h"

static void touch(const char* path) {
  const int file = open(path, O_WRONLY | O_CREAT, 0644);
  REQUIRE(file >= 0 && write(file, "x", 1) == 1 && close(file) == 0);
}

static void slashes_and_dots(void) {
  char path[PATH_MAX];
  struct stat status;
  touch("file");
  REQUIRE(mkdir("folder", 0755) == 0);
  touch("folder/inner");
  NUMBER("two slashes", access("folder//inner", F_OK));
  NUMBER("dots", access("./folder/./../folder/inner", F_OK));
  NUMBER("a slash after a folder", access("folder/", F_OK));
  NUMBER("a slash after a file", access("file/", F_OK));
  NUMBER("a dot after a file", access("file/.", F_OK));
  NUMBER("two dots after a file", access("file/..", F_OK));
  NUMBER("two dots after nothing", access("none/..", F_OK));
  OUTCOME("create with a slash at the end", open("new/", O_WRONLY | O_CREAT, 0644));
  OUTCOME("open a file with a slash at the end", open("file/", O_RDONLY));
  NUMBER("the empty name of stat", stat("", &status));
  NUMBER("the empty name of unlink", unlink(""));
  NUMBER("the empty name of mkdir", mkdir("", 0755));
  NUMBER("mkdir of a dot", mkdir(".", 0755));
  NUMBER("mkdir of the root", mkdir("/", 0755));
  TRUTH("rmdir of a dot fails", rmdir(".") != 0);
  TRUTH("rmdir of two dots fails", rmdir("..") != 0);
  TRUTH("rmdir of the root fails", rmdir("/") != 0);
  TRUTH("unlink of a file with a slash fails", unlink("file/") != 0);
  NUMBER("rename a folder with slashes", rename("folder/", "renamed/"));
  TRUTH("rename a file with a slash fails", rename("file/", "other") != 0);
  NUMBER("rename it back", rename("renamed", "folder"));
  NUMBER("above the root", access("/../../..", F_OK));
  snprintf(path, sizeof(path), "/..%s/file", required_variable("FOLDER"));
  NUMBER("down again from above the root", access(path, F_OK));
  snprintf(path, sizeof(path), "//%s//file", required_variable("FOLDER"));
  NUMBER("three slashes in front", access(path, F_OK));
}

static void lengths(void) {
  char name[400];
  static char path[3 * PATH_MAX];
  memset(name, 'n', sizeof(name));
  name[255] = '\0';
  const int longest = open(name, O_WRONLY | O_CREAT, 0644);
  OUTCOME("a name of 255 bytes", longest);
  NUMBER("remove it", unlink(name));
  name[255] = 'n';
  name[256] = '\0';
  OUTCOME("a name of 256 bytes", open(name, O_WRONLY | O_CREAT, 0644));
  NUMBER("a folder of 256 bytes", mkdir(name, 0755));
  NUMBER("its status", access(name, F_OK));
  path[0] = '\0';
  for (int round = 0; round < PATH_MAX; ++round) {
    strcat(path + (round > 0 ? 2 * (round - 1) : 0), "./");
  }
  strcat(path, "file");
  NUMBER("a path that is too long", access(path, F_OK));
  path[0] = '\0';
  for (int round = 0; round < 1000; ++round) {
    strcat(path, "./");
  }
  strcat(path, "file");
  NUMBER("a path of two thousand bytes", access(path, F_OK));
  const char* strange[] = {"with space", "h\xc3\xa9llo", "back\\slash", "quote'\"", "*?", "-dash"};
  int made = 0;
  for (size_t at = 0; at < sizeof(strange) / sizeof(strange[0]); ++at) {
    touch(strange[at]);
    made += access(strange[at], F_OK) == 0 && unlink(strange[at]) == 0;
  }
  observe("strange names", "%d", made);
}

static void links_on_the_way(void) {
  struct stat status;
  char text[PATH_MAX] = {0};
  REQUIRE(symlink("folder", "way") == 0 && symlink("none", "broken") == 0);
  REQUIRE(symlink("file", "to-file") == 0 && symlink("b", "a") == 0 && symlink("a", "b") == 0);
  NUMBER("a link on the way", access("way/inner", F_OK));
  NUMBER("a link to a file on the way", access("to-file/inner", F_OK));
  NUMBER("a broken link on the way", access("broken/inner", F_OK));
  NUMBER("a circle on the way", access("a/inner", F_OK));
  NUMBER("upwards from a link", access("way/../file", F_OK));
  NUMBER("lstat of a link with a slash", lstat("way/", &status));
  TRUTH("it is the folder", S_ISDIR(status.st_mode));
  NUMBER("mkdir over a broken link", mkdir("broken", 0755));
  OUTCOME("exclusive creation over a broken link",
          open("broken", O_WRONLY | O_CREAT | O_EXCL, 0644));
  OUTCOME("creation through a broken link", open("broken", O_WRONLY | O_CREAT, 0644));
  NUMBER("its target is there", access("none", F_OK));
  TRUTH("the link is still one", lstat("broken", &status) == 0 && S_ISLNK(status.st_mode));
  NUMBER("truncate through a link", truncate("to-file", 10));
  NUMBER("the size of the file", (stat("file", &status), status.st_size));
  NUMBER("the size of the link", (lstat("to-file", &status), status.st_size));
  NUMBER("unlink a link to a folder", unlink("way"));
  NUMBER("what it led to is there", access("folder/inner", F_OK));
  REQUIRE(symlink("folder", "way") == 0);
  NUMBER("rmdir of a link", rmdir("way"));
  NUMBER("rename a link", rename("way", "folder/moved"));
  NUMBER("it leads nowhere there", access("folder/moved", F_OK));
  NUMBER("rename over a link", rename("to-file", "broken"));
  NUMBER("the new target", readlink("broken", text, sizeof(text)));
  observe("it is", "%s", text);
  NUMBER("a hard link to a symbolic one", link("broken", "second"));
  TRUTH("it is a symbolic one", lstat("second", &status) == 0 && S_ISLNK(status.st_mode));
  NUMBER("a link with an empty target", symlink("", "empty"));
  NUMBER("a link below nothing", symlink("file", "no-folder/link"));
  char name[16] = "chain-0";
  REQUIRE(symlink("file", name) == 0);
  for (int number = 1; number < 60; ++number) {
    char next[16];
    snprintf(next, sizeof(next), "chain-%d", number);
    REQUIRE(symlink(name, next) == 0);
    strcpy(name, next);
  }
  NUMBER("twenty links in a row", access("chain-19", F_OK));
  NUMBER("sixty links in a row", access("chain-59", F_OK));
}

static void deep(void) {
  char path[1024] = "deep";
  int depth = 0;
  REQUIRE(mkdir(path, 0755) == 0);
  for (; depth < 100; ++depth) {
    strcat(path, "/d");
    if (mkdir(path, 0755) != 0) {
      break;
    }
  }
  observe("depth", "%d", depth);
  strcat(path, "/file");
  touch(path);
  NUMBER("a file down there", access(path, F_OK));
  REQUIRE(unlink(path) == 0);
  for (char* slash = strrchr(path, '/'); slash != NULL; slash = strrchr(path, '/')) {
    *slash = '\0';
    depth -= rmdir(path) == 0;
  }
  observe("what is left", "%d", depth);
}

int main(void) {
  enter_folder();
  slashes_and_dots();
  lengths();
  links_on_the_way();
  deep();
  return 0;
}
