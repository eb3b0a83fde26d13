/* Signals that come while a program computes and calls nothing. */
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "observe.h"

/* A second or so, after which the program gives up. */
enum { kRoundsMax = 400 * 1000 * 1000 };

static volatile sig_atomic_t seen;
static volatile sig_atomic_t computing;

static void on_signal(int number) { seen = number; }

static int compute(void) {
  computing = 1;
  for (volatile int round = 0; round < kRoundsMax && seen == 0; ++round) {
  }
  return seen;
}

static void* compute_in_thread(void* argument) {
  (void)argument;
  return (void*)(long)compute();
}

int main(void) {
  const struct itimerval soon = {{0, 5000}, {0, 5000}};
  const struct itimerval never = {{0, 0}, {0, 0}};
  signal(SIGALRM, on_signal);
  signal(SIGUSR1, on_signal);
  REQUIRE(setitimer(ITIMER_REAL, &soon, NULL) == 0);
  TRUTH("a timer interrupts computing", compute() == SIGALRM);
  REQUIRE(setitimer(ITIMER_REAL, &never, NULL) == 0);
  seen = 0;
  computing = 0;
  pthread_t thread;
  void* result = NULL;
  REQUIRE(pthread_create(&thread, NULL, compute_in_thread, NULL) == 0);
  while (!computing) {
    usleep(100);
  }
  ERROR_OF("pthread_kill", pthread_kill(thread, SIGUSR1));
  pthread_join(thread, &result);
  TRUTH("a thread is interrupted", (long)result == SIGUSR1);
  seen = 0;
  int ends[2];
  char text[4];
  int status = -1;
  REQUIRE(pipe(ends) == 0);
  signal(SIGTERM, SIG_DFL);
  const pid_t child = fork();
  if (child == 0) {
    freopen("/dev/null", "w", stderr);
    REQUIRE(write(ends[1], "x", 1) == 1);
    compute();
    _exit(66);
  }
  REQUIRE(read(ends[0], text, 1) == 1);
  NUMBER("kill of a child", kill(child, SIGTERM));
  REQUIRE(waitpid(child, &status, 0) == child);
  TRUTH("it ends while it computes", !WIFEXITED(status) || WEXITSTATUS(status) != 66);
  return 0;
}
