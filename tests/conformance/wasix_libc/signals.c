/* Signals: handlers, ignoring, masks, timers, and calls that they interrupt. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "observe.h"

/* A wrong system is given the time to end a read; a right one passes with any. */
enum { kDeliveryMicroseconds = 20000 };

static volatile sig_atomic_t seen[65];
static int wake[2];

static void on_signal(int number) { ++seen[number]; }

/* A self-pipe: a handler wakes whoever waits in poll. */
static void on_child(int number) {
  ++seen[number];
  const int saved = errno;
  REQUIRE(write(wake[1], "c", 1) == 1);
  errno = saved;
}

static void handlers(void) {
  struct sigaction action = {.sa_handler = on_signal};
  struct sigaction old;
  TRUTH("signal gives the old action", signal(SIGUSR1, on_signal) == SIG_DFL);
  NUMBER("raise", raise(SIGUSR1));
  observe("after raise", "%d", (int)seen[SIGUSR1]);
  NUMBER("kill of oneself", kill(getpid(), SIGUSR1));
  observe("after kill", "%d", (int)seen[SIGUSR1]);
  TRUTH("signal gives the handler", signal(SIGUSR1, SIG_DFL) == on_signal);
  NUMBER("sigaction", sigaction(SIGUSR2, &action, &old));
  TRUTH("the old action is the default", old.sa_handler == SIG_DFL);
  NUMBER("sigaction tells", sigaction(SIGUSR2, NULL, &old));
  TRUTH("the handler", old.sa_handler == on_signal);
  raise(SIGUSR2);
  observe("after raise of the other", "%d", (int)seen[SIGUSR2]);
  action.sa_flags = (int)SA_RESETHAND;
  sigaction(SIGHUP, &action, NULL);
  raise(SIGHUP);
  sigaction(SIGHUP, NULL, &old);
  observe("SA_RESETHAND", "%d %d", (int)seen[SIGHUP], old.sa_handler == SIG_DFL);
  NUMBER("handler for SIGKILL", (action.sa_flags = 0, sigaction(SIGKILL, &action, NULL)));
  TRUTH("signal 0 with raise", raise(0) == 0);
  TRUTH("an unknown signal", kill(getpid(), 200) != 0);
}

static void ignoring(void) {
  signal(SIGTERM, SIG_IGN);
  NUMBER("raise what is ignored", raise(SIGTERM));
  NUMBER("kill with what is ignored", kill(getpid(), SIGTERM));
  NUMBER("SIGCHLD by default", kill(getpid(), SIGCHLD));
  NUMBER("SIGWINCH by default", kill(getpid(), SIGWINCH));
  NUMBER("SIGCONT by default", kill(getpid(), SIGCONT));
}

/* A child sends what the parent ignores while that reads: the read goes on. */
static void ignored_while_reading(void) {
  char text[4];
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child == 0) {
    kill(parent, SIGTERM);
    kill(parent, SIGURG);
    kill(parent, SIGWINCH);
    usleep(kDeliveryMicroseconds);
    _exit(write(ends[1], "x", 1) == 1 ? 0 : 1);
  }
  NUMBER("read while ignored signals come", read(ends[0], text, 1));
  waitpid(child, NULL, 0);
  close(ends[0]);
  close(ends[1]);
}

static void masks(void) {
  sigset_t set;
  sigset_t old;
  sigset_t pending;
  seen[SIGUSR1] = 0;
  signal(SIGUSR1, on_signal);
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  NUMBER("block", sigprocmask(SIG_BLOCK, &set, &old));
  raise(SIGUSR1);
  observe("handler while blocked", "%d", (int)seen[SIGUSR1]);
  NUMBER("sigpending", sigpending(&pending));
  TRUTH("it is pending", sigismember(&pending, SIGUSR1) == 1);
  NUMBER("unblock", sigprocmask(SIG_SETMASK, &old, NULL));
  observe("handler when unblocked", "%d", (int)seen[SIGUSR1]);
}

static void timers(void) {
  char text[4];
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  struct sigaction action = {.sa_handler = on_signal};
  sigaction(SIGALRM, &action, NULL);
  const struct itimerval often = {{0, 5000}, {0, 5000}};
  const struct itimerval never = {{0, 0}, {0, 0}};
  struct itimerval old;
  NUMBER("setitimer", setitimer(ITIMER_REAL, &often, NULL));
  NUMBER("read that a timer interrupts", read(ends[0], text, 1));
  struct pollfd entry = {ends[0], POLLIN, 0};
  NUMBER("poll that a timer interrupts", poll(&entry, 1, 5000));
  TRUTH("sleep that a timer interrupts", sleep(5) > 0);
  NUMBER("stop the timer", setitimer(ITIMER_REAL, &never, &old));
  TRUTH("it had an interval", old.it_interval.tv_usec > 0);
  TRUTH("the handler ran for each", seen[SIGALRM] >= 3);
  seen[SIGALRM] = 0;
  const struct itimerval single = {{0, 0}, {0, 5000}};
  NUMBER("a timer that fires once", setitimer(ITIMER_REAL, &single, NULL));
  NUMBER("poll until it fires", poll(&entry, 1, 300));
  observe("the handler ran", "%d", (int)seen[SIGALRM]);
  NUMBER("alarm", alarm(100));
  TRUTH("alarm tells what was left", alarm(0) > 90);
  close(ends[0]);
  close(ends[1]);
}

/* A handler with SA_RESTART lets a read go on. */
static void restarting(void) {
  char text[4];
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
  seen[SIGUSR1] = 0;
  sigaction(SIGUSR1, &action, NULL);
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child == 0) {
    kill(parent, SIGUSR1);
    usleep(kDeliveryMicroseconds);
    _exit(write(ends[1], "x", 1) == 1 ? 0 : 1);
  }
  NUMBER("read with SA_RESTART", read(ends[0], text, 1));
  observe("its handler", "%d", (int)seen[SIGUSR1]);
  waitpid(child, NULL, 0);
}

static void children(void) {
  char text[4];
  int status = -1;
  REQUIRE(pipe(wake) == 0 && fcntl(wake[1], F_SETFL, O_NONBLOCK) == 0);
  signal(SIGCHLD, on_child);
  const pid_t child = fork();
  if (child == 0) {
    _exit(3);
  }
  struct pollfd entry = {wake[0], POLLIN, 0};
  int count = -1;
  do {
    count = poll(&entry, 1, 5000);
  } while (count < 0 && errno == EINTR);
  observe("the self-pipe wakes poll", "%d", count);
  NUMBER("read from the self-pipe", read(wake[0], text, sizeof(text)));
  observe("SIGCHLD", "%d", (int)seen[SIGCHLD]);
  TRUTH("the child is there to wait for", waitpid(-1, &status, WNOHANG) == child);
  observe("its status", "%d", WEXITSTATUS(status));
  signal(SIGCHLD, SIG_DFL);
}

static void to_children(void) {
  char text[4];
  int ends[2];
  int ready[2];
  int status = -1;
  REQUIRE(pipe(ends) == 0 && pipe(ready) == 0);
  const pid_t child = fork();
  if (child == 0) {
    close(ends[1]);
    close(ready[0]);
    seen[SIGINT] = 0;
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    REQUIRE(write(ready[1], "r", 1) == 1);
    while (seen[SIGINT] == 0 && read(ends[0], text, 1) < 0 && errno == EINTR) {
    }
    _exit(40 + seen[SIGINT]);
  }
  close(ready[1]);
  close(ends[0]);
  NUMBER("the child is ready", read(ready[0], text, 1));
  NUMBER("kill of a child", kill(child, SIGINT));
  TRUTH("wait for it", waitpid(child, &status, 0) == child);
  observe("its handler ran", "%d", WEXITSTATUS(status));
  close(ends[1]);
}

static void all(void) {
  for (int number = 1; number < 32; ++number) {
    if (number != SIGKILL && number != SIGSTOP) {
      seen[number] = 0;
      signal(number, on_signal);
      raise(number);
    }
  }
  int sum = 0;
  for (int number = 1; number < 32; ++number) {
    sum += number != SIGKILL && number != SIGSTOP && seen[number] == 1;
  }
  observe("signals whose handler ran once", "%d", sum);
}

int main(void) {
  handlers();
  ignoring();
  ignored_while_reading();
  masks();
  timers();
  restarting();
  children();
  to_children();
  all();
  return 0;
}
