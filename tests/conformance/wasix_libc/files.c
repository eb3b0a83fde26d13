/* Regular files: creation, positions, sizes, appending, and what outlives a name. */
#include <fcntl.h>
#include <sys/uio.h>

#include "observe.h"

static long size_of(const char* path) {
  struct stat status;
  return stat(path, &status) == 0 ? (long)status.st_size : -1;
}

static void positions(void) {
  char text[64] = {0};
  const int file = open("data", O_RDWR | O_CREAT | O_EXCL, 0640);
  REQUIRE(file >= 0);
  OUTCOME("exclusive creation of what exists", open("data", O_RDWR | O_CREAT | O_EXCL, 0640));
  NUMBER("write", write(file, "hello world", 11));
  NUMBER("position after writing", lseek(file, 0, SEEK_CUR));
  NUMBER("seek from the end", lseek(file, -5, SEEK_END));
  NUMBER("seek before the start", lseek(file, -50, SEEK_SET));
  NUMBER("read to the end", read(file, text, sizeof(text)));
  observe("text at the end", "%s", text);
  NUMBER("read at the end", read(file, text, sizeof(text)));
  NUMBER("pread", pread(file, text, 3, 1));
  observe("text by pread", "%.3s", text);
  NUMBER("pwrite", pwrite(file, "HEY", 3, 0));
  NUMBER("position after pread and pwrite", lseek(file, 0, SEEK_CUR));
  NUMBER("seek past the end", lseek(file, 100, SEEK_SET));
  NUMBER("size before writing there", size_of("data"));
  NUMBER("write past the end", write(file, "Z", 1));
  NUMBER("size with a hole", size_of("data"));
  NUMBER("read in the hole", pread(file, text, 4, 50));
  TRUTH("the hole is zero", memcmp(text, "\0\0\0\0", 4) == 0);
  close(file);
}

static void sizes(void) {
  char text[32] = {0};
  const int file = open("data", O_RDWR);
  NUMBER("ftruncate to less", ftruncate(file, 5));
  NUMBER("size after ftruncate", size_of("data"));
  NUMBER("truncate to more", truncate("data", 20));
  NUMBER("read what truncate added", pread(file, text, 32, 0));
  TRUTH("what truncate added is zero", memcmp(text, "HEYlo\0\0\0", 8) == 0);
  NUMBER("ftruncate to a negative size", ftruncate(file, -1));
  NUMBER("truncate nothing", truncate("none", 1));
  NUMBER("fsync", fsync(file));
  NUMBER("fdatasync", fdatasync(file));
  close(file);
  const int again = open("data", O_RDWR | O_TRUNC);
  NUMBER("size after O_TRUNC", size_of("data"));
  struct iovec parts[2] = {{"abc", 3}, {"defg", 4}};
  NUMBER("writev", writev(again, parts, 2));
  NUMBER("pwritev", pwritev(again, parts, 2, 5));
  char first[4] = {0};
  char second[32] = {0};
  struct iovec holes[2] = {{first, 3}, {second, 31}};
  NUMBER("preadv", preadv(again, holes, 2, 0));
  observe("text by preadv", "%s|%s", first, second);
  NUMBER("posix_fallocate", posix_fallocate(again, 0, 64));
  NUMBER("size after posix_fallocate", size_of("data"));
  close(again);
}

static void appending(void) {
  char text[16] = {0};
  const int file = open("log", O_RDWR | O_CREAT | O_APPEND, 0644);
  NUMBER("append 1", write(file, "1", 1));
  NUMBER("seek to the start", lseek(file, 0, SEEK_SET));
  NUMBER("append 2", write(file, "2", 1));
  const int other = open("log", O_WRONLY | O_APPEND);
  NUMBER("append 3 by another", write(other, "3", 1));
  NUMBER("append 4", write(file, "4", 1));
  NUMBER("read the log", pread(file, text, sizeof(text), 0));
  observe("the log", "%s", text);
  TRUTH("F_GETFL tells O_APPEND", (fcntl(file, F_GETFL) & O_APPEND) != 0);
  NUMBER("clear O_APPEND", fcntl(file, F_SETFL, 0));
  NUMBER("seek again", lseek(file, 0, SEEK_SET));
  NUMBER("write without O_APPEND", write(file, "x", 1));
  NUMBER("read the log again", pread(file, text, sizeof(text), 0));
  observe("the log now", "%s", text);
  close(file);
  close(other);
}

static void permissions(void) {
  char text[4];
  const int writer = open("log", O_WRONLY);
  NUMBER("read of a writer", read(writer, text, 1));
  close(writer);
  const int reader = open("log", O_RDONLY);
  NUMBER("write of a reader", write(reader, "x", 1));
  TRUTH("access mode", (fcntl(reader, F_GETFL) & O_ACCMODE) == O_RDONLY);
  NUMBER("close", close(reader));
  NUMBER("close twice", close(reader));
  NUMBER("read of a closed descriptor", read(reader, text, 1));
  OUTCOME("open a folder to write", open(".", O_WRONLY));
  OUTCOME("open a file as a folder", open("log", O_RDONLY | O_DIRECTORY));
  OUTCOME("open below a file", open("log/x", O_RDONLY));
  OUTCOME("open what is not there", open("none", O_RDONLY));
  OUTCOME("open with an empty name", open("", O_RDONLY));
  NUMBER("read a folder", read(open(".", O_RDONLY), text, 1));
}

static void without_a_name(void) {
  char text[16] = {0};
  const int file = open("ghost", O_RDWR | O_CREAT, 0600);
  NUMBER("write before unlink", write(file, "still", 5));
  NUMBER("unlink while open", unlink("ghost"));
  NUMBER("access of the name", access("ghost", F_OK));
  NUMBER("write after unlink", write(file, " here", 5));
  NUMBER("read after unlink", pread(file, text, sizeof(text), 0));
  observe("text without a name", "%s", text);
  struct stat status;
  NUMBER("fstat after unlink", fstat(file, &status));
  observe("size and links", "%ld %d", (long)status.st_size, (int)status.st_nlink);
  const int next = open("ghost", O_RDWR | O_CREAT | O_EXCL, 0600);
  TRUTH("the name is free", next >= 0);
  NUMBER("size of the next", size_of("ghost"));
  close(file);
  close(next);
}

static void descriptors(void) {
  const int file = open("data", O_RDWR);
  const int copy = dup(file);
  NUMBER("seek the first", lseek(file, 7, SEEK_SET));
  NUMBER("the copy shares the position", lseek(copy, 0, SEEK_CUR));
  NUMBER("dup2 to a number", dup2(file, 20));
  NUMBER("dup2 to the first free number of a new program", dup2(file, 3));
  NUMBER("dup2 to itself", dup2(20, 20));
  NUMBER("dup2 of a closed one", dup2(999, 21));
  NUMBER("F_DUPFD from a number", fcntl(file, F_DUPFD, 30));
  NUMBER("F_DUPFD_CLOEXEC from a number", fcntl(file, F_DUPFD_CLOEXEC, 40));
  NUMBER("F_GETFD of that", fcntl(40, F_GETFD));
  NUMBER("F_GETFD of the other", fcntl(30, F_GETFD));
  NUMBER("set FD_CLOEXEC", fcntl(30, F_SETFD, FD_CLOEXEC));
  NUMBER("F_GETFD now", fcntl(30, F_GETFD));
  const int lowest = dup(file);
  close(copy);
  const int reused = dup(file);
  TRUTH("the lowest free number is used", reused == copy && lowest > copy);
}

int main(void) {
  enter_folder();
  positions();
  sizes();
  appending();
  permissions();
  without_a_name();
  descriptors();
  return 0;
}
