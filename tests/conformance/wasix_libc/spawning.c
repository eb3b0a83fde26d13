/* posix_spawn: arguments, environment, file actions and attributes. */
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include "observe.h"

extern char** environ;

static posix_spawn_file_actions_t actions;
static const char* self;

/* Starts this program in a role and tells how it ended. */
static void spawn(const char* label, const char* path, char* role,
                  const posix_spawnattr_t* attributes, char** variables) {
  char* arguments[] = {"spawned", role, (char*)label, NULL};
  pid_t child = -1;
  int status = -1;
  const int error = posix_spawn(&child, path, &actions, attributes, arguments, variables);
  char line[100];
  snprintf(line, sizeof(line), "result of %s", label);
  if (error != 0) {
    observe(line, "%s", error_name(error));
    return;
  }
  REQUIRE(waitpid(child, &status, 0) == child);
  observe(line, "%s %d", WIFEXITED(status) ? "exited" : "ended", WEXITSTATUS(status));
}

static void start_actions(void) { REQUIRE(posix_spawn_file_actions_init(&actions) == 0); }

static void plain(void) {
  char* variables[] = {"COLOUR=red", NULL};
  start_actions();
  spawn("a spawn", self, "tell", NULL, environ);
  spawn("a spawn with variables", self, "tell", NULL, variables);
  spawn("a spawn of nothing", "/nowhere/program", "tell", NULL, variables);
  char* arguments[] = {"spawned", "tell", "posix_spawnp", NULL};
  pid_t child = -1;
  const int error = posix_spawnp(&child, self, NULL, NULL, arguments, variables);
  waitpid(child, NULL, 0);
  observe("posix_spawnp with a path", "%s", error_name(error));
}

static void files(void) {
  char text[64] = {0};
  char folder[300];
  enter_folder();
  snprintf(folder, sizeof(folder), "%s", required_variable("FOLDER"));
  char input[320];
  char output[320];
  snprintf(input, sizeof(input), "%s/input", folder);
  snprintf(output, sizeof(output), "%s/output", folder);
  const int file = open(input, O_WRONLY | O_CREAT, 0644);
  REQUIRE(write(file, "some text", 9) == 9 && close(file) == 0);
  start_actions();
  posix_spawn_file_actions_addopen(&actions, 0, input, O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  spawn("opened files", self, "copy", NULL, environ);
  const int copied = open(output, O_RDONLY);
  OUTCOME("open the output", copied);
  observe("the output", "%s", read_all(copied, text, sizeof(text)));
  close(copied);
  start_actions();
  posix_spawn_file_actions_addopen(&actions, 0, "/nowhere/file", O_RDONLY, 0);
  spawn("a file that is not there", self, "copy", NULL, environ);
}

static void descriptors(void) {
  char text[64];
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  start_actions();
  posix_spawn_file_actions_addclose(&actions, ends[0]);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  posix_spawn_file_actions_addclose(&actions, ends[1]);
  char* arguments[] = {"spawned", "say", NULL};
  pid_t child = -1;
  ERROR_OF("a pipe as output", posix_spawn(&child, self, &actions, NULL, arguments, environ));
  close(ends[1]);
  observe("from the pipe", "%s", read_all(ends[0], text, sizeof(text)));
  waitpid(child, NULL, 0);
  close(ends[0]);
}

static void attributes(void) {
  posix_spawnattr_t attributes;
  sigset_t signals;
  start_actions();
  sigemptyset(&signals);
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setsigdefault(&attributes, &signals);
  posix_spawnattr_setsigmask(&attributes, &signals);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  spawn("signals set", self, "tell", &attributes, environ);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  spawn("a group of its own", self, "group", &attributes, environ);
}

int main(int count, char** arguments) {
  char text[64];
  const char* role = count > 1 ? arguments[1] : "";
  if (strcmp(role, "tell") == 0) {
    const char* colour = getenv("COLOUR");
    char label[100];
    snprintf(label, sizeof(label), "the program in %s", arguments[2]);
    observe(label, "called %s, COLOUR %s", arguments[0], colour != NULL ? colour : "unset");
    return 7;
  }
  if (strcmp(role, "copy") == 0) {
    const ssize_t length = read(STDIN_FILENO, text, sizeof(text));
    return write(STDOUT_FILENO, text, (size_t)length) == length ? 3 : 4;
  }
  if (strcmp(role, "say") == 0) {
    return write(STDOUT_FILENO, "said", 4) == 4 ? 0 : 1;
  }
  if (strcmp(role, "group") == 0) {
    TRUTH("it leads its group", getpgrp() == getpid());
    return 0;
  }
  self = required_variable("SELF");
  plain();
  descriptors();
  attributes();
  files();
  return 0;
}
