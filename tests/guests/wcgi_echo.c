// A CGI program that answers with what it was given: the request's variables, then its body byte
// for byte.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char** environ;

int main(void) {
  printf("Content-Type: text/plain\r\n\r\n");
  for (char** variable = environ; *variable != NULL; ++variable) {
    printf("%s\n", *variable);
  }
  printf("\n");
  fflush(stdout);
  char buffer[4096];
  for (;;) {
    ssize_t count = read(0, buffer, sizeof(buffer));
    if (count <= 0) {
      return count == 0 ? 0 : 1;
    }
    if (fwrite(buffer, 1, (size_t)count, stdout) != (size_t)count || fflush(stdout) != 0) {
      return 1;
    }
  }
}
