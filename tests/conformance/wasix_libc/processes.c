/* fork, exec and wait: what children inherit, how they end, and what their parents learn. */
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "observe.h"

static void observe_status(const char* label, int status) {
  if (WIFEXITED(status)) {
    observe(label, "exited %d", WEXITSTATUS(status));
  } else if (WIFSIGNALED(status)) {
    observe(label, "ended by %s",
            WTERMSIG(status) == SIGKILL   ? "SIGKILL"
            : WTERMSIG(status) == SIGTERM ? "SIGTERM"
            : WTERMSIG(status) == SIGABRT ? "SIGABRT"
                                          : "another signal");
  } else {
    observe(label, "neither exited nor ended");
  }
}

static void wait_for(const char* label, pid_t child) {
  int status = -1;
  if (waitpid(child, &status, 0) != child) {
    observe(label, "%s", error_name(errno));
  } else {
    observe_status(label, status);
  }
}

static void copies(void) {
  int value = 1;
  int ends[2];
  char text[16] = {0};
  REQUIRE(pipe(ends) == 0);
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child == 0) {
    value = 2;
    TRUTH("the child has another id", getpid() != parent);
    TRUTH("getppid is the parent", getppid() == parent);
    TRUTH("it is in the parent's group", getpgrp() == getpgid(parent));
    observe("the child's value", "%d", value);
    close(ends[0]);
    _exit(write(ends[1], "child", 5) == 5 ? 5 : 99);
  }
  wait_for("status of the child", child);
  observe("the parent's value", "%d", value);
  close(ends[1]);
  observe("from the child", "%s", read_all(ends[0], text, sizeof(text)));
  close(ends[0]);
  int status = -1;
  NUMBER("wait for it again", waitpid(child, &status, 0));
  NUMBER("wait without children", wait(&status));
  NUMBER("WNOHANG without children", waitpid(-1, &status, WNOHANG));
}

/* Children that end when they are told: the reading end of a pipe closes. */
static void without_hanging(void) {
  int ends[2];
  int status = -1;
  char text[4];
  REQUIRE(pipe(ends) == 0);
  const pid_t child = fork();
  if (child == 0) {
    close(ends[1]);
    _exit(read(ends[0], text, 1) == 0 ? 6 : 99);
  }
  close(ends[0]);
  NUMBER("WNOHANG while it runs", waitpid(child, &status, WNOHANG));
  NUMBER("WNOHANG for any while it runs", waitpid(-1, &status, WNOHANG));
  close(ends[1]);
  wait_for("after it was told", child);
  int sum = 0;
  for (int number = 0; number < 10; ++number) {
    REQUIRE(pipe(ends) == 0);
    const pid_t one = fork();
    if (one == 0) {
      _exit(number);
    }
    close(ends[0]);
    close(ends[1]);
  }
  for (int number = 0; number < 10; ++number) {
    REQUIRE(wait(&status) > 0 && WIFEXITED(status));
    sum += WEXITSTATUS(status);
  }
  observe("sum of ten statuses", "%d", sum);
}

static void ended_by_signals(void) {
  int ends[2];
  char text[4];
  pid_t child = fork();
  if (child == 0) {
    raise(SIGKILL);
    _exit(1);
  }
  wait_for("SIGKILL of itself", child);
  child = fork();
  if (child == 0) {
    freopen("/dev/null", "w", stderr);
    abort();
  }
  wait_for("abort", child);
  for (int kind = 0; kind < 2; ++kind) {
    REQUIRE(pipe(ends) == 0);
    child = fork();
    if (child == 0) {
      freopen("/dev/null", "w", stderr);
      close(ends[1]);
      read(ends[0], text, 1);
      _exit(1);
    }
    close(ends[0]);
    NUMBER(kind == 0 ? "kill with SIGTERM" : "kill with SIGKILL",
           kill(child, kind == 0 ? SIGTERM : SIGKILL));
    wait_for(kind == 0 ? "SIGTERM while it reads" : "SIGKILL while it reads", child);
    close(ends[1]);
  }
  child = fork();
  if (child == 0) {
    for (volatile unsigned long round = 0;; ++round) {
    }
  }
  kill(child, SIGKILL);
  wait_for("SIGKILL while it computes", child);
  TRUTH("kill of what is gone fails", kill(child, 0) != 0);
  NUMBER("kill nobody with nothing", kill(getpid(), 0));
}

static void programs(void) {
  const char* self = required_variable("SELF");
  char path[300];
  pid_t child = fork();
  if (child == 0) {
    char* arguments[] = {"name", "role", "execve", NULL};
    char* variables[] = {"COLOUR=blue", NULL};
    execve(self, arguments, variables);
    _exit(127);
  }
  wait_for("execve", child);
  child = fork();
  if (child == 0) {
    execl(self, "other name", "role", "execl", (char*)NULL);
    _exit(127);
  }
  wait_for("execl", child);
  child = fork();
  if (child == 0) {
    setenv("COLOUR", "green", 1);
    execl(self, "name", "role", "execl with setenv", (char*)NULL);
    _exit(127);
  }
  wait_for("execl after setenv", child);
  child = fork();
  if (child == 0) {
    snprintf(path, sizeof(path), "%s", self);
    char* name = strrchr(path, '/');
    *name++ = '\0';
    setenv("PATH", path, 1);
    execlp(name, "name", "role", "execlp", (char*)NULL);
    _exit(127);
  }
  wait_for("execlp by PATH", child);
  child = vfork();
  if (child == 0) {
    execl(self, "name", "role", "vfork", (char*)NULL);
    _exit(127);
  }
  wait_for("exec after vfork", child);
  child = vfork();
  if (child == 0) {
    _exit(9);
  }
  wait_for("exit after vfork", child);
  char* arguments[] = {"name", NULL};
  NUMBER("exec of nothing", execv("/nowhere/program", arguments));
  NUMBER("exec of a name that PATH lacks", execvp("no-such-program", arguments));
  enter_folder();
  const int file = open("text", O_WRONLY | O_CREAT, 0755);
  REQUIRE(write(file, "plain text\n", 11) == 11 && close(file) == 0);
  NUMBER("exec of text", execv("text", arguments));
  REQUIRE(chmod("text", 0644) == 0 || errno == ENOTSUP || errno == ENOSYS);
  NUMBER("exec of a folder", execv(".", arguments));
}

/* Descriptors over exec: those marked close-on-exec are gone. */
static void descriptors(void) {
  int ends[2];
  char text[200];
  REQUIRE(pipe(ends) == 0);
  const pid_t child = fork();
  if (child == 0) {
    REQUIRE(dup2(ends[1], 40) == 40 && dup2(ends[1], 41) == 41 &&
            dup2(ends[1], STDOUT_FILENO) == 1);
    fcntl(41, F_SETFD, FD_CLOEXEC);
    execl(required_variable("SELF"), "name", "descriptors", (char*)NULL);
    _exit(127);
  }
  close(ends[1]);
  read_all(ends[0], text, sizeof(text));
  close(ends[0]);
  text[strcspn(text, "\n")] = '\0';
  observe("in the program", "%s", text);
  wait_for("its status", child);
}

/* Three processes in a row: numbers, doubled, and their sum. */
static void pipeline(void) {
  int first[2];
  int second[2];
  unsigned char number = 0;
  REQUIRE(pipe(first) == 0);
  const pid_t source = fork();
  if (source == 0) {
    close(first[0]);
    for (number = 1; number <= 10; ++number) {
      REQUIRE(write(first[1], &number, 1) == 1);
    }
    _exit(0);
  }
  close(first[1]);
  REQUIRE(pipe(second) == 0);
  const pid_t middle = fork();
  if (middle == 0) {
    close(second[0]);
    while (read(first[0], &number, 1) == 1) {
      number *= 2;
      REQUIRE(write(second[1], &number, 1) == 1);
    }
    _exit(3);
  }
  close(first[0]);
  close(second[1]);
  int sum = 0;
  while (read(second[0], &number, 1) == 1) {
    sum += number;
  }
  close(second[0]);
  observe("sum at the end of the pipeline", "%d", sum);
  wait_for("its source", source);
  wait_for("its middle", middle);
}

/* A grandchild whose parent is gone goes on, and has another parent. */
static void orphan(void) {
  int go[2];
  int answer[2];
  char text[64];
  REQUIRE(pipe(go) == 0 && pipe(answer) == 0);
  const pid_t child = fork();
  if (child == 0) {
    const pid_t parent = getpid();
    if (fork() == 0) {
      close(go[1]);
      read(go[0], text, 1);
      const char* line =
          getppid() != parent ? "orphan with another parent" : "orphan of the same parent";
      _exit(write(answer[1], line, strlen(line)) > 0 ? 0 : 1);
    }
    _exit(0);
  }
  wait_for("the parent of the orphan", child);
  close(answer[1]);
  close(go[0]);
  close(go[1]);
  observe("the orphan", "%s", read_all(answer[0], text, sizeof(text)));
  close(answer[0]);
  int status = -1;
  TRUTH("it is not ours to wait for", wait(&status) < 0 && errno == ECHILD);
}

/* A signal to a group reaches its members. */
static void groups(void) {
  int ends[2];
  char text[8];
  pid_t leader = 0;
  pid_t members[2];
  REQUIRE(pipe(ends) == 0);
  for (int at = 0; at < 2; ++at) {
    members[at] = fork();
    if (members[at] == 0) {
      freopen("/dev/null", "w", stderr);
      setpgid(0, leader);
      close(ends[0]);
      REQUIRE(write(ends[1], "x", 1) == 1);
      for (;;) {
        sleep(60);
      }
    }
    setpgid(members[at], leader);
    leader = at == 0 ? members[0] : leader;
    REQUIRE(read(ends[0], text, 1) == 1);
  }
  TRUTH("both are in the group", getpgid(members[0]) == leader && getpgid(members[1]) == leader);
  TRUTH("we are not", getpgrp() != leader);
  NUMBER("kill the group", kill(-leader, SIGKILL));
  int status = -1;
  TRUTH("wait for the group", waitpid(-leader, &status, 0) > 0);
  observe_status("one of the group", status);
  TRUTH("wait for the group again", waitpid(-leader, &status, 0) > 0);
  observe_status("the other of the group", status);
}

int main(int count, char** arguments) {
  if (count > 1 && strcmp(arguments[1], "role") == 0) {
    const char* colour = getenv("COLOUR");
    char label[64];
    snprintf(label, sizeof(label), "the program by %s", arguments[2]);
    observe(label, "called %s, COLOUR %s", arguments[0], colour != NULL ? colour : "unset");
    return 7;
  }
  if (count > 1 && strcmp(arguments[1], "descriptors") == 0) {
    observe("flags", "%d %d", fcntl(40, F_GETFD), fcntl(41, F_GETFD));
    return 8;
  }
  copies();
  without_hanging();
  ended_by_signals();
  descriptors();
  pipeline();
  orphan();
  groups();
  programs();
  return 0;
}
