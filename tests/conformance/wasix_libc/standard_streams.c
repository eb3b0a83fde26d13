/* Standard input and output that are files, as the runner gives them. */
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>

#include "observe.h"

int main(void) {
  char text[64] = {0};
  struct stat status;
  NUMBER("fstat of the input", fstat(STDIN_FILENO, &status));
  TRUTH("it is a regular file", S_ISREG(status.st_mode));
  NUMBER("its size", status.st_size);
  NUMBER("its position", lseek(STDIN_FILENO, 0, SEEK_CUR));
  NUMBER("read", read(STDIN_FILENO, text, 5));
  observe("text", "%s", text);
  NUMBER("the position then", lseek(STDIN_FILENO, 0, SEEK_CUR));
  NUMBER("pread", pread(STDIN_FILENO, text, 6, 11));
  observe("text by pread", "%.6s", text);
  const pid_t child = fork();
  if (child == 0) {
    _exit(read(STDIN_FILENO, text, 6) == 6 ? 0 : 1);
  }
  int code = -1;
  REQUIRE(waitpid(child, &code, 0) == child);
  observe("a child read", "%d", WEXITSTATUS(code));
  NUMBER("so the position moved", lseek(STDIN_FILENO, 0, SEEK_CUR));
  NUMBER("seek to the start", lseek(STDIN_FILENO, 0, SEEK_SET));
  int lines = 0;
  while (fgets(text, sizeof(text), stdin) != NULL) {
    ++lines;
  }
  observe("lines", "%d", lines);
  observe("the last", "%.10s", text);
  struct pollfd entry = {STDIN_FILENO, POLLIN, 0};
  NUMBER("poll at the end", poll(&entry, 1, -1));
  NUMBER("read at the end", read(STDIN_FILENO, text, 1));
  NUMBER("write to the input", write(STDIN_FILENO, "x", 1));
  NUMBER("fstat of the output", fstat(STDOUT_FILENO, &status));
  TRUTH("it is a regular file too", S_ISREG(status.st_mode));
  TRUTH("its size is its position", lseek(STDOUT_FILENO, 0, SEEK_CUR) == status.st_size);
  NUMBER("isatty", isatty(STDIN_FILENO));
  const int copy = dup(STDIN_FILENO);
  NUMBER("close the input", close(STDIN_FILENO));
  NUMBER("read of the closed input", read(STDIN_FILENO, text, 1));
  NUMBER("the lowest number is its", open("/", O_RDONLY | O_DIRECTORY));
  NUMBER("its copy is open", lseek(copy, 0, SEEK_SET));
  return 0;
}
