/* What is below /dev. */
#include <fcntl.h>
#include <semaphore.h>
#include <sys/mman.h>

#include "observe.h"

static void try_device(const char* path, int flags) {
  char label[64];
  unsigned char bytes[32];
  struct stat status;
  memset(bytes, 0xa5, sizeof(bytes));
  const int device = open(path, flags);
  snprintf(label, sizeof(label), "open %s", path);
  OUTCOME(label, device);
  snprintf(label, sizeof(label), "read %s", path);
  NUMBER(label, read(device, bytes, sizeof(bytes)));
  int zeros = 0;
  for (size_t at = 0; at < sizeof(bytes); ++at) {
    zeros += bytes[at] == 0;
  }
  snprintf(label, sizeof(label), "zeros from %s", path);
  observe(label, "%s", zeros == 32 ? "only" : zeros > 16 ? "many" : "few");
  snprintf(label, sizeof(label), "write %s", path);
  NUMBER(label, write(device, bytes, sizeof(bytes)));
  snprintf(label, sizeof(label), "kind of %s", path);
  observe(label, "%s", fstat(device, &status) == 0 && S_ISCHR(status.st_mode) ? "device" : "other");
  snprintf(label, sizeof(label), "terminal %s", path);
  NUMBER(label, isatty(device));
  close(device);
}

int main(void) {
  try_device("/dev/null", O_RDWR);
  try_device("/dev/zero", O_RDWR);
  try_device("/dev/full", O_RDWR);
  try_device("/dev/urandom", O_RDONLY);
  try_device("/dev/random", O_RDONLY);
  const int null = open("/dev/null", O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0666);
  OUTCOME("open /dev/null as a shell does", null);
  NUMBER("write there", write(null, "text", 4));
  NUMBER("seek there", lseek(null, 0, SEEK_SET));
  OUTCOME("a device that is not there", open("/dev/no-such-device", O_RDWR));
  char text[8];
  const int input = open("/dev/stdin", O_RDONLY);
  OUTCOME("open /dev/stdin", input);
  OUTCOME("open /dev/stdout", open("/dev/stdout", O_WRONLY));
  OUTCOME("open /dev/fd/1", open("/dev/fd/1", O_WRONLY));
  NUMBER("read /dev/stdin", read(input, text, 5));
  observe("input", "%.5s", text);
  const int shared = shm_open("/conformance-memory", O_RDWR | O_CREAT | O_EXCL, 0600);
  OUTCOME("shm_open", shared);
  NUMBER("give it a size", ftruncate(shared, 4096));
  NUMBER("shm_unlink", shm_unlink("/conformance-memory"));
  sem_t* semaphore = sem_open("/conformance-semaphore", O_CREAT | O_EXCL, 0600, 1);
  OUTCOME("sem_open", semaphore == SEM_FAILED ? -1 : 0);
  if (semaphore != SEM_FAILED) {
    NUMBER("wait for the named semaphore", sem_trywait(semaphore));
    NUMBER("wait for it again", sem_trywait(semaphore));
    NUMBER("sem_close", sem_close(semaphore));
  }
  NUMBER("sem_unlink", sem_unlink("/conformance-semaphore"));
  return 0;
}
