// Prints its arguments and its environment variable GREETING; exits with 7 when told to fail.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char** argv) {
  const char* greeting = getenv("GREETING");
  printf("%s", greeting != NULL ? greeting : "hello");
  for (int i = 1; i < argc; ++i) {
    printf(" %s", argv[i]);
  }
  printf("\n");
  return argc > 1 && strcmp(argv[1], "fail") == 0 ? 7 : 0;
}
