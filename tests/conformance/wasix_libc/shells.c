/* system and popen, which start a shell, and scripts that are started as programs. */
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>

#include "observe.h"

extern char** environ;

/* Starts a file as a program; the status with which it exits, or the name of the error. */
static void start(const char* label, const char* text, char* argument) {
  char* arguments[] = {"called", argument, NULL};
  pid_t child = -1;
  int status = -1;
  /* Another name each time: what is being run cannot be written to. */
  static int number;
  char path[32];
  snprintf(path, sizeof(path), "./script-%d", ++number);
  const int file = open(path, O_WRONLY | O_CREAT, 0755);
  REQUIRE(write(file, text, strlen(text)) == (ssize_t)strlen(text) && close(file) == 0);
  const int error = posix_spawn(&child, path, NULL, NULL, arguments, environ);
  if (error == 0) {
    REQUIRE(waitpid(child, &status, 0) == child);
  }
  observe(label, "%s, status %d", error_name(error), error == 0 ? WEXITSTATUS(status) : 0);
}

static void scripts(void) {
  start("a script", "#!/bin/sh\nexit 12\n", "x");
  start("a script with an argument", "#!/bin/sh\necho \"the script got: $1\"\n", "word");
  start("a script with an option", "#!/bin/sh -e\nfalse\nexit 3\n", "x");
  start("a script with blanks", "#! /bin/sh \nexit 4\n", "x");
  fflush(stdout);
  start("a script that reads itself", "#!/bin/sed 1d\nread by sed: yes\n", NULL);
  start("a script of nothing", "#!/nowhere/program\n", "x");
  start("a script without a program", "#!\nexit 5\n", "x");
}

int main(void) {
  char line[64];
  enter_folder();
  TRUTH("there is a shell", system(NULL) != 0);
  int status = system("exit 3");
  observe("status of system", "%d %d", WIFEXITED(status), WEXITSTATUS(status));
  status = system("echo 'said by a shell: hello'");
  observe("status of echo", "%d", status);
  status = system("no-such-command 2>/dev/null");
  observe("status of what is not there", "%d", WEXITSTATUS(status));
  FILE* stream = popen("echo one; echo two; exit 4", "r");
  REQUIRE(stream != NULL);
  for (int number = 1; fgets(line, sizeof(line), stream) != NULL; ++number) {
    line[strcspn(line, "\n")] = '\0';
    observe(number == 1 ? "first line" : "second line", "%s", line);
  }
  status = pclose(stream);
  observe("status of pclose", "%d %d", WIFEXITED(status), WEXITSTATUS(status));
  stream = popen("while read word; do echo \"given to a shell: $word\"; done; exit 5", "w");
  REQUIRE(stream != NULL);
  fputs("text\n", stream);
  status = pclose(stream);
  observe("status after writing", "%d %d", WIFEXITED(status), WEXITSTATUS(status));
  scripts();
  return 0;
}
