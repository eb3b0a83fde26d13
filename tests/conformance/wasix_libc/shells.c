/* system and popen, which start a shell. */
#include <sys/wait.h>

#include "observe.h"

int main(void) {
  char line[64];
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
  return 0;
}
