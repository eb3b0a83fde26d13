/* Pipes: ends, capacity, atomic writes, dup2, and what happens when the other end is gone. */
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#include "observe.h"

/* Linux's PIPE_BUF: what is written at once or not at all. */
enum { kAtomicBytes = 4096 };

static volatile sig_atomic_t broken_pipes;

static void on_broken_pipe(int number) {
  (void)number;
  ++broken_pipes;
}

static void basics(void) {
  char text[64] = {0};
  int ends[2];
  NUMBER("pipe", pipe(ends));
  NUMBER("write", write(ends[1], "one", 3));
  NUMBER("write more", write(ends[1], "two", 3));
  NUMBER("read a part", read(ends[0], text, 2));
  int waiting = -1;
  NUMBER("FIONREAD", ioctl(ends[0], FIONREAD, &waiting));
  observe("bytes that wait", "%d", waiting);
  NUMBER("read the rest", read(ends[0], text, sizeof(text)));
  observe("the rest", "%.4s", text);
  NUMBER("seek", lseek(ends[0], 0, SEEK_SET));
  NUMBER("pread", pread(ends[0], text, 1, 0));
  NUMBER("write to the reading end", write(ends[0], "x", 1));
  NUMBER("read from the writing end", read(ends[1], text, 1));
  NUMBER("write nothing", write(ends[1], "", 0));
  NUMBER("read nothing", read(ends[0], text, 0));
  struct iovec parts[2] = {{"ab", 2}, {"cde", 3}};
  NUMBER("writev", writev(ends[1], parts, 2));
  NUMBER("read what writev wrote", read(ends[0], text, sizeof(text)));
  NUMBER("write before closing", write(ends[1], "last", 4));
  NUMBER("close the writing end", close(ends[1]));
  NUMBER("read what was written before", read(ends[0], text, sizeof(text)));
  NUMBER("read at the end", read(ends[0], text, sizeof(text)));
  NUMBER("read at the end again", read(ends[0], text, sizeof(text)));
  close(ends[0]);
}

static void capacity(void) {
  static char block[kAtomicBytes];
  static char much[65536 * 2];
  char text[4];
  int ends[2];
  NUMBER("pipe2", pipe2(ends, O_NONBLOCK | O_CLOEXEC));
  NUMBER("descriptor flags", fcntl(ends[0], F_GETFD));
  TRUTH("it does not block", (fcntl(ends[0], F_GETFL) & O_NONBLOCK) != 0);
  NUMBER("read of an empty pipe", read(ends[0], text, 1));
  long filled = 0;
  ssize_t count = 0;
  while ((count = write(ends[1], block, sizeof(block))) > 0) {
    filled += count;
  }
  observe("write to a full pipe", "%s", error_name(errno));
  observe("capacity", "%ld", filled);
  NUMBER("read one byte of it", read(ends[0], text, 1));
  NUMBER("a block does not fit", write(ends[1], block, sizeof(block)));
  long taken = 0;
  for (int round = 0; round < 2; ++round) {
    count = read(ends[0], block, sizeof(block));
    taken += count > 0 ? count : 0;
  }
  observe("taken out", "%ld", taken);
  NUMBER("a block fits now", write(ends[1], block, sizeof(block)));
  while (read(ends[0], much, sizeof(much)) > 0) {
  }
  NUMBER("a big write is cut", write(ends[1], much, sizeof(much)));
  close(ends[0]);
  close(ends[1]);
}

static void without_readers(void) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  close(ends[0]);
  signal(SIGPIPE, SIG_IGN);
  NUMBER("write without readers", write(ends[1], "x", 1));
  signal(SIGPIPE, on_broken_pipe);
  NUMBER("write with a handler", write(ends[1], "x", 1));
  observe("handler ran", "%d", (int)broken_pipes);
  NUMBER("write nothing without readers", write(ends[1], "", 0));
  close(ends[1]);
}

static void duplicates(void) {
  char text[16] = {0};
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const int kept = dup(STDOUT_FILENO);
  fflush(stdout);
  NUMBER("a pipe as standard output", dup2(ends[1], STDOUT_FILENO) == STDOUT_FILENO ? 0 : -1);
  /* That line went into the pipe. */
  REQUIRE(dup2(kept, STDOUT_FILENO) == STDOUT_FILENO);
  close(kept);
  close(ends[1]);
  char line[64];
  read_all(ends[0], line, sizeof(line));
  line[strcspn(line, "\n")] = '\0';
  observe("what came out", "%s", line);
  REQUIRE(pipe(ends) == 0);
  const int second = dup(ends[1]);
  close(ends[1]);
  NUMBER("write through the second writer", write(second, "dup", 3));
  NUMBER("read it", read(ends[0], text, sizeof(text)));
  close(second);
  NUMBER("the end comes with the last writer", read(ends[0], text, sizeof(text)));
  close(ends[0]);
}

int main(void) {
  basics();
  capacity();
  without_readers();
  duplicates();
  return 0;
}
