/* Arguments, variables, identity, limits, and how a program ends. */
#include <stdint.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/utsname.h>

#include "observe.h"

extern char** environ;

static void at_end(void) { observe("a function of atexit", "runs"); }

static void at_end_too(void) { observe("one registered later", "runs before"); }

__attribute__((constructor)) static void before_main(void) { observe("a constructor", "runs"); }

__attribute__((destructor)) static void after_main(void) { observe("a destructor", "runs"); }

int main(int count, char** arguments) {
  int variables = 0;
  observe("arguments", "%d", count);
  observe("the first", "%s", count > 1 ? arguments[1] : "");
  observe("the second", "%s", count > 2 ? arguments[2] : "");
  TRUTH("they end with NULL", arguments[count] == NULL);
  observe("LANG", "%s", getenv("LANG"));
  observe("PATH", "%s", getenv("PATH"));
  TRUTH("a variable that is not set", getenv("NOT_SET") == NULL);
  for (char** variable = environ; *variable != NULL; ++variable) {
    ++variables;
  }
  observe("variables", "%d", variables);
  NUMBER("setenv", setenv("NEW", "1", 0));
  NUMBER("setenv without overwriting", setenv("NEW", "2", 0));
  observe("it stays", "%s", getenv("NEW"));
  NUMBER("setenv with an equals sign", setenv("A=B", "1", 1));
  NUMBER("putenv", putenv("NEW=3"));
  observe("by putenv", "%s", getenv("NEW"));
  NUMBER("unsetenv", unsetenv("NEW"));
  TRUTH("it is gone", getenv("NEW") == NULL);
  TRUTH("a process id", getpid() > 0);
  TRUTH("user ids", getuid() == geteuid() && getgid() == getegid());
  struct utsname system_name;
  NUMBER("uname", uname(&system_name) >= 0 ? 0 : -1);
  TRUTH("page size", sysconf(_SC_PAGESIZE) >= 4096);
  TRUTH("processors", sysconf(_SC_NPROCESSORS_ONLN) > 0);
  TRUTH("open files", sysconf(_SC_OPEN_MAX) > 16);
  struct rlimit limit;
  NUMBER("getrlimit", getrlimit(RLIMIT_NOFILE, &limit));
  unsigned char random[64] = {0};
  NUMBER("getentropy", getentropy(random, sizeof(random)));
  NUMBER("getrandom", getrandom(random, sizeof(random), 0));
  int different = 0;
  for (size_t at = 1; at < sizeof(random); ++at) {
    different += random[at] != random[0];
  }
  TRUTH("they are random", different > 32);
  NUMBER("isatty of a file", isatty(STDOUT_FILENO));
  atexit(at_end);
  atexit(at_end_too);
  return 0;
}
