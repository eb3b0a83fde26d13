/* What processes and threads share: positions of files, pipes with many writers, and limits. */
#include <fcntl.h>
#include <pthread.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "observe.h"

enum { kWriters = 6, kRecords = 40, kRecordBytes = 1000, kTransferBytes = 3 * 1024 * 1024 };

static void wait_for_all(int count) {
  for (int at = 0; at < count; ++at) {
    int status = -1;
    REQUIRE(wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
}

static void positions(void) {
  char text[16] = {0};
  const int file = open("shared", O_RDWR | O_CREAT | O_TRUNC, 0644);
  REQUIRE(write(file, "0123456789", 10) == 10 && lseek(file, 2, SEEK_SET) == 2);
  if (fork() == 0) {
    _exit(read(file, text, 3) == 3 && text[0] == '2' ? 0 : 1);
  }
  wait_for_all(1);
  NUMBER("the child moved the position", lseek(file, 0, SEEK_CUR));
  if (fork() == 0) {
    const int own = open("shared", O_RDWR);
    lseek(own, 9, SEEK_SET);
    close(file);
    _exit(0);
  }
  wait_for_all(1);
  NUMBER("another opening and a close do not", lseek(file, 0, SEEK_CUR));
  if (fork() == 0) {
    _exit(ftruncate(file, 4) == 0 && chdir("/") == 0 ? 0 : 1);
  }
  wait_for_all(1);
  NUMBER("the size is shared", lseek(file, 0, SEEK_END));
  NUMBER("the working directory is not", access("shared", F_OK));
  close(file);
}

/* Each process appends its own letter; no record is torn or lost. */
static void appending(void) {
  static char record[kRecordBytes];
  for (int writer = 0; writer < kWriters; ++writer) {
    if (fork() == 0) {
      const int file = open("log", O_WRONLY | O_CREAT | O_APPEND, 0644);
      memset(record, 'a' + writer, sizeof(record));
      for (int number = 0; number < kRecords; ++number) {
        REQUIRE(write(file, record, sizeof(record)) == (ssize_t)sizeof(record));
      }
      _exit(0);
    }
  }
  wait_for_all(kWriters);
  const int file = open("log", O_RDONLY);
  int records = 0;
  int torn = 0;
  while (read(file, record, sizeof(record)) == (ssize_t)sizeof(record)) {
    ++records;
    for (size_t at = 1; at < sizeof(record); ++at) {
      torn += record[at] != record[0];
    }
  }
  observe("records, torn bytes", "%d %d", records, torn);
  close(file);
}

static void many_writers(void) {
  static char record[kRecordBytes];
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  for (int writer = 0; writer < kWriters; ++writer) {
    if (fork() == 0) {
      close(ends[0]);
      memset(record, 'a' + writer, sizeof(record));
      for (int number = 0; number < kRecords; ++number) {
        REQUIRE(write(ends[1], record, sizeof(record)) == (ssize_t)sizeof(record));
      }
      _exit(0);
    }
  }
  close(ends[1]);
  int bytes = 0;
  int torn = 0;
  ssize_t count = 0;
  while ((count = read(ends[0], record + bytes % kRecordBytes,
                       sizeof(record) - (size_t)(bytes % kRecordBytes))) > 0) {
    bytes += (int)count;
    for (size_t at = 1; bytes % kRecordBytes == 0 && at < sizeof(record); ++at) {
      torn += record[at] != record[0];
    }
  }
  wait_for_all(kWriters);
  observe("bytes through one pipe, torn bytes", "%d %d", bytes, torn);
  close(ends[0]);
}

struct transfer {
  int from;
  int to;
  long bytes;
  unsigned sum;
};

static void* produce(void* argument) {
  struct transfer* transfer = argument;
  static unsigned char block[50000];
  while (transfer->bytes < kTransferBytes) {
    for (size_t at = 0; at < sizeof(block); ++at) {
      block[at] = (unsigned char)(transfer->bytes + (long)at * 7);
    }
    size_t done = 0;
    while (done < sizeof(block)) {
      const ssize_t count = write(transfer->to, block + done, sizeof(block) - done);
      REQUIRE(count > 0);
      done += (size_t)count;
    }
    for (size_t at = 0; at < sizeof(block); ++at) {
      transfer->sum = transfer->sum * 31 + block[at];
    }
    transfer->bytes += (long)sizeof(block);
  }
  close(transfer->to);
  return NULL;
}

static void consume(struct transfer* transfer) {
  static unsigned char block[70001];
  ssize_t count = 0;
  while ((count = read(transfer->from, block, sizeof(block))) > 0) {
    for (ssize_t at = 0; at < count; ++at) {
      transfer->sum = transfer->sum * 31 + block[at];
    }
    transfer->bytes += count;
  }
  close(transfer->from);
}

/* Much more than a pipe or a socket holds, from a thread to another. */
static void much(const char* label, int from, int to) {
  struct transfer out = {.to = to};
  struct transfer in = {.from = from};
  pthread_t thread;
  REQUIRE(pthread_create(&thread, NULL, produce, &out) == 0);
  consume(&in);
  pthread_join(thread, NULL);
  observe(label, "%s of %ld bytes", out.sum == in.sum && out.bytes == in.bytes ? "all" : "not all",
          out.bytes);
}

/* From a file to a socket, without a copy in the program. */
static void sending_files(void) {
  char text[32] = {0};
  int pair[2];
  off_t offset = 2;
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  const int file = open("sent", O_RDWR | O_CREAT | O_TRUNC, 0644);
  REQUIRE(write(file, "0123456789", 10) == 10 && lseek(file, 1, SEEK_SET) == 1);
  NUMBER("sendfile from an offset", sendfile(pair[0], file, &offset, 4));
  NUMBER("the offset then", offset);
  NUMBER("the position stays", lseek(file, 0, SEEK_CUR));
  NUMBER("what was sent", read(pair[1], text, sizeof(text)));
  observe("it is", "%s", text);
  NUMBER("sendfile from the position", sendfile(pair[0], file, NULL, 100));
  NUMBER("the position moved", lseek(file, 0, SEEK_CUR));
  NUMBER("what came", read(pair[1], text, sizeof(text)));
  NUMBER("sendfile at the end", sendfile(pair[0], file, NULL, 100));
  close(pair[0]);
  close(pair[1]);
  close(file);
}

static void descriptors(void) {
  int opened = 0;
  int last = 0;
  static int list[5000];
  while (opened < 5000 && (last = dup(STDOUT_FILENO)) >= 0) {
    list[opened++] = last;
  }
  TRUTH("hundreds can be open", opened > 200);
  observe("then it is", "%s", error_name(errno));
  int ends[2];
  NUMBER("a pipe then", pipe(ends));
  NUMBER("a socket then", socket(AF_INET, SOCK_STREAM, 0));
  NUMBER("a file then", open("shared", O_RDONLY));
  while (opened > 0) {
    close(list[--opened]);
  }
  OUTCOME("a file when they are closed", open("shared", O_RDONLY));
}

int main(void) {
  int ends[2];
  enter_folder();
  positions();
  appending();
  many_writers();
  REQUIRE(pipe(ends) == 0);
  much("through a pipe", ends[0], ends[1]);
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  much("through a pair of sockets", ends[0], ends[1]);
  sending_files();
  descriptors();
  return 0;
}
