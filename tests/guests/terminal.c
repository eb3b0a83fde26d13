// A command that shows what it was given: arguments, variables, standard input, files.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int show_file(const char* name) {
  FILE* file = fopen(name, "r");
  if (file == NULL) {
    perror(name);
    return 1;
  }
  for (int c = getc(file); c != EOF; c = getc(file)) {
    putchar(c);
  }
  fclose(file);
  return 0;
}

static int write_file(const char* name, const char* text) {
  FILE* file = fopen(name, "w");
  if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0) {
    perror(name);
    return 1;
  }
  return 0;
}

int main(int argc, char** argv) {
  const char* what = argc > 1 ? argv[1] : "";
  if (strcmp(what, "args") == 0) {
    for (int i = 0; i < argc; ++i) {
      printf("[%s]\n", argv[i]);
    }
  } else if (strcmp(what, "env") == 0 && argc > 2) {
    const char* value = getenv(argv[2]);
    printf("%s\n", value == NULL ? "(unset)" : value);
  } else if (strcmp(what, "cat") == 0 && argc > 2) {
    return show_file(argv[2]);
  } else if (strcmp(what, "write") == 0 && argc > 3) {
    return write_file(argv[2], argv[3]);
  } else if (strcmp(what, "copy") == 0) {
    char buffer[4096];
    for (ssize_t count; (count = read(0, buffer, sizeof(buffer))) > 0;) {
      if (write(1, buffer, (size_t)count) != count) {
        return 1;
      }
    }
  } else if (strcmp(what, "both") == 0) {
    printf("to stdout\n");
    fprintf(stderr, "to stderr\n");
  } else if (strcmp(what, "tty") == 0) {
    printf("%d%d%d\n", isatty(0), isatty(1), isatty(2));
  }
  return 0;
}
