/* Folders: making, listing, moving and removing, the working directory, relative descriptors. */
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <limits.h>

#include "observe.h"

static int by_name(const void* left, const void* right) {
  return strcmp(*(char* const*)left, *(char* const*)right);
}

/* Names in a folder, in alphabetical order; those of folders end in a slash. */
static void list(const char* label, const char* path) {
  DIR* folder = opendir(path);
  if (folder == NULL) {
    observe(label, "%s", error_name(errno));
    return;
  }
  char* names[64];
  size_t count = 0;
  for (struct dirent* entry = readdir(folder); entry != NULL && count < 64;
       entry = readdir(folder)) {
    char name[300];
    snprintf(name, sizeof(name), "%s%s", entry->d_name, entry->d_type == DT_DIR ? "/" : "");
    names[count++] = strdup(name);
  }
  closedir(folder);
  qsort(names, count, sizeof(names[0]), by_name);
  char line[2000] = "";
  for (size_t at = 0; at < count; ++at) {
    strcat(strcat(line, at == 0 ? "" : " "), names[at]);
    free(names[at]);
  }
  observe(label, "%s", line);
}

static void touch(const char* path) {
  const int file = open(path, O_WRONLY | O_CREAT, 0644);
  REQUIRE(file >= 0 && close(file) == 0);
}

static void making(void) {
  NUMBER("mkdir", mkdir("a", 0755));
  NUMBER("mkdir of what exists", mkdir("a", 0755));
  NUMBER("mkdir below nothing", mkdir("x/y", 0755));
  NUMBER("mkdir with a slash at the end", mkdir("a/b/", 0755));
  touch("a/file");
  NUMBER("mkdir below a file", mkdir("a/file/c", 0755));
  list("listing of the working directory", ".");
  list("listing of a folder", "a");
  list("listing of a file", "a/file");
  list("listing of nothing", "none");
}

static void moving(void) {
  NUMBER("rename a file", rename("a/file", "a/moved"));
  NUMBER("rename to itself", rename("a/moved", "a/moved"));
  NUMBER("rename nothing", rename("none", "other"));
  NUMBER("rename a folder", rename("a", "z"));
  NUMBER("rename a folder into itself", rename("z", "z/b/z"));
  touch("other");
  NUMBER("rename over a file", rename("other", "z/moved"));
  NUMBER("rename a file over a folder", rename("z/moved", "z/b"));
  NUMBER("rename a folder over a file", rename("z/b", "z/moved"));
  NUMBER("rename over an empty folder", (mkdir("c", 0755), rename("c", "z/b")));
  touch("z/b/inside");
  NUMBER("rename over a full folder", (mkdir("c", 0755), rename("c", "z/b")));
  list("listing after moving", "z");
  list("listing of the folder in it", "z/b");
}

static void working_directory(void) {
  char path[PATH_MAX];
  char start[PATH_MAX];
  REQUIRE(getcwd(start, sizeof(start)) != NULL);
  TRUTH("it is the folder that was entered", strcmp(start, required_variable("FOLDER")) == 0);
  NUMBER("chdir", chdir("z/b"));
  TRUTH("getcwd follows", strcmp(getcwd(path, sizeof(path)) + strlen(start), "/z/b") == 0);
  NUMBER("a relative path", access("inside", F_OK));
  NUMBER("a path upwards", access("../../z/moved", F_OK));
  snprintf(path, sizeof(path), "%s/z/./b/../moved", start);
  NUMBER("an absolute path with dots", access(path, F_OK));
  char* resolved = realpath(path, NULL);
  TRUTH("realpath", resolved != NULL && strcmp(resolved + strlen(start), "/z/moved") == 0);
  free(resolved);
  TRUTH("realpath of nothing", realpath("none", NULL) == NULL && errno == ENOENT);
  NUMBER("chdir to a file", chdir("inside"));
  NUMBER("chdir to nothing", chdir("none"));
  OUTCOME("getcwd into too little", getcwd(path, 2) == NULL ? -1 : 0);
  NUMBER("chdir upwards", chdir("../.."));
  NUMBER("chdir to an absolute path", chdir(start));
  NUMBER("upwards from the root", (chdir("/"), chdir("../..")));
  observe("the root", "%s", getcwd(path, sizeof(path)));
  REQUIRE(chdir(start) == 0);
}

static void relative(void) {
  struct stat status;
  const int folder = open("z", O_RDONLY | O_DIRECTORY);
  REQUIRE(folder >= 0);
  const int file = openat(folder, "new", O_RDWR | O_CREAT, 0644);
  OUTCOME("openat", file);
  NUMBER("fstatat", fstatat(folder, "new", &status, 0));
  NUMBER("mkdirat", mkdirat(folder, "deep", 0755));
  NUMBER("renameat", renameat(folder, "new", folder, "deep/new"));
  NUMBER("faccessat", faccessat(folder, "deep/new", R_OK, 0));
  NUMBER("unlinkat", unlinkat(folder, "deep/new", 0));
  NUMBER("unlinkat of a folder", unlinkat(folder, "deep", AT_REMOVEDIR));
  NUMBER("openat below a file", openat(file, "x", O_RDONLY));
  close(file);
  DIR* stream = fdopendir(folder);
  REQUIRE(stream != NULL);
  int first = 0;
  while (readdir(stream) != NULL) {
    ++first;
  }
  touch("z/later");
  rewinddir(stream);
  int second = 0;
  while (readdir(stream) != NULL) {
    ++second;
  }
  observe("entries before and after rewinddir", "%d %d", first, second);
  closedir(stream);
}

/* A position that telldir gave leads back to the same entry. */
static void places(void) {
  REQUIRE(mkdir("many", 0755) == 0);
  for (int number = 0; number < 300; ++number) {
    char path[32];
    snprintf(path, sizeof(path), "many/file-%03d", number);
    touch(path);
  }
  DIR* folder = opendir("many");
  REQUIRE(folder != NULL);
  for (int skipped = 0; skipped < 150; ++skipped) {
    REQUIRE(readdir(folder) != NULL);
  }
  const long place = telldir(folder);
  struct dirent* entry = readdir(folder);
  char expected[300] = "";
  snprintf(expected, sizeof(expected), "%s", entry != NULL ? entry->d_name : "");
  int rest = 0;
  while (readdir(folder) != NULL) {
    ++rest;
  }
  observe("entries after the 151st", "%d", rest);
  seekdir(folder, place);
  entry = readdir(folder);
  TRUTH("seekdir leads to the same entry", entry != NULL && strcmp(entry->d_name, expected) == 0);
  rest = 0;
  while (readdir(folder) != NULL) {
    ++rest;
  }
  observe("entries after that", "%d", rest);
  closedir(folder);
  int removed = 0;
  folder = opendir("many");
  for (entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
    char path[300];
    snprintf(path, sizeof(path), "many/%s", entry->d_name);
    removed += entry->d_name[0] != '.' && unlink(path) == 0;
  }
  closedir(folder);
  observe("removed while listing", "%d", removed);
  NUMBER("the folder is empty then", rmdir("many"));
}

static int visited_folders;
static int visited_files;

static int visit(const char* path, const struct stat* status, int type, struct FTW* place) {
  (void)path;
  (void)status;
  visited_folders += type == FTW_DP;
  visited_files += type == FTW_F && place->level > 0;
  return 0;
}

static void removing(void) {
  glob_t found;
  NUMBER("glob", glob("z/*e*", 0, NULL, &found));
  for (size_t at = 0; at < found.gl_pathc && at < 3; ++at) {
    observe(at == 0 ? "glob 1" : at == 1 ? "glob 2" : "glob 3", "%s", found.gl_pathv[at]);
  }
  globfree(&found);
  NUMBER("nftw", nftw("z", visit, 8, FTW_PHYS | FTW_DEPTH));
  observe("visited", "%d folders, %d files", visited_folders, visited_files);
  NUMBER("rmdir of a full folder", rmdir("z"));
  NUMBER("rmdir of a file", rmdir("z/moved"));
  TRUTH("unlink of a folder fails", unlink("z/b") != 0 && (errno == EISDIR || errno == EPERM));
  NUMBER("unlink", unlink("z/b/inside"));
  NUMBER("unlink twice", unlink("z/b/inside"));
  NUMBER("rmdir", rmdir("z/b"));
  NUMBER("remove of a file", remove("z/moved"));
  NUMBER("remove of the last file", remove("z/later"));
  NUMBER("remove of a folder", remove("z"));
  NUMBER("rmdir of the second", rmdir("c"));
  list("listing at the end", ".");
}

int main(void) {
  enter_folder();
  making();
  moving();
  working_directory();
  relative();
  places();
  removing();
  return 0;
}
