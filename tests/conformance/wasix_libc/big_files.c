/* Sizes and positions beyond 32 bits, in files that are mostly holes; entries of folders. */
#include <dirent.h>
#include <fcntl.h>

#include "observe.h"

static const off_t kFar = (off_t)5 << 30;

static void far_away(void) {
  char text[16] = {0};
  struct stat status;
  const int file = open("big", O_RDWR | O_CREAT, 0644);
  observe("seek", "%lld", (long long)lseek(file, kFar, SEEK_SET));
  NUMBER("write", write(file, "far", 3));
  observe("position", "%lld", (long long)lseek(file, 0, SEEK_CUR));
  REQUIRE(fstat(file, &status) == 0);
  observe("size", "%lld", (long long)status.st_size);
  NUMBER("pread", pread(file, text, 3, kFar));
  observe("text", "%s", text);
  NUMBER("pread in the hole", pread(file, text, 3, kFar / 2));
  TRUTH("it is zero", text[0] == 0 && text[1] == 0 && text[2] == 0);
  NUMBER("pwrite in the hole", pwrite(file, "mid", 3, kFar / 2));
  observe(
      "seek by 32 bits and back", "%lld",
      (long long)(lseek(file, (off_t)1 << 32, SEEK_CUR), lseek(file, -((off_t)1 << 32), SEEK_CUR)));
  NUMBER("ftruncate to more", ftruncate(file, kFar * 2));
  REQUIRE(stat("big", &status) == 0);
  observe("size then", "%lld", (long long)status.st_size);
  NUMBER("ftruncate to less", ftruncate(file, kFar / 2 + 3));
  NUMBER("read what is left", pread(file, text, sizeof(text), kFar / 2));
  NUMBER("read beyond", pread(file, text, sizeof(text), kFar));
  NUMBER("a negative position", lseek(file, -1, SEEK_SET));
  NUMBER("pread at a negative position", pread(file, text, 1, -1));
  NUMBER("an unknown origin", lseek(file, 0, 77));
  close(file);
  NUMBER("unlink", unlink("big"));
}

static const char* kind_of(unsigned char type) {
  return type == DT_REG   ? "file"
         : type == DT_DIR ? "folder"
         : type == DT_LNK ? "link"
                          : "something";
}

static void entries(void) {
  REQUIRE(close(open("file", O_WRONLY | O_CREAT, 0644)) == 0);
  REQUIRE(mkdir("folder", 0755) == 0 && symlink("file", "link") == 0);
  DIR* folder = opendir(".");
  REQUIRE(folder != NULL);
  int right = 0;
  int dots = 0;
  for (struct dirent* entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
    struct stat status;
    if (entry->d_name[0] == '.') {
      ++dots;
      continue;
    }
    char label[64];
    snprintf(label, sizeof(label), "kind of %s", entry->d_name);
    if (strcmp(entry->d_name, "file") == 0 || strcmp(entry->d_name, "link") == 0 ||
        strcmp(entry->d_name, "folder") == 0) {
      right += strcmp(kind_of(entry->d_type), entry->d_name) == 0;
    }
    right += lstat(entry->d_name, &status) == 0 && status.st_ino == entry->d_ino;
  }
  observe("right kinds and inodes", "%d", right);
  observe("dots", "%d", dots);
  TRUTH("dirfd", fcntl(dirfd(folder), F_GETFD) >= 0);
  NUMBER("closedir", closedir(folder));
  struct dirent** found = NULL;
  const int count = scandir(".", &found, NULL, alphasort);
  observe("scandir", "%d, the last is %s", count, count > 0 ? found[count - 1]->d_name : "none");
  struct stat status;
  struct stat same;
  REQUIRE(stat(".", &status) == 0 && stat("folder/..", &same) == 0);
  TRUTH("the parent of a folder is this one", status.st_ino == same.st_ino);
  const int file = open("file", O_RDONLY);
  REQUIRE(fstat(file, &status) == 0 && stat("link", &same) == 0);
  TRUTH("fstat and stat agree", status.st_ino == same.st_ino && status.st_dev == same.st_dev);
  NUMBER("rename while it is open", rename("file", "folder/moved"));
  REQUIRE(fstat(file, &same) == 0);
  TRUTH("it is the same file", status.st_ino == same.st_ino);
  close(file);
}

int main(void) {
  enter_folder();
  far_away();
  entries();
  return 0;
}
