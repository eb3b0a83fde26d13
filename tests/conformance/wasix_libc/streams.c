/* Buffered streams: modes, positions, formats, temporary files, memory streams. */
#include <fcntl.h>
#include <locale.h>
#include <wchar.h>

#include "observe.h"

static void modes(void) {
  char line[64];
  FILE* file = fopen("data", "w");
  REQUIRE(file != NULL);
  NUMBER("fprintf", fprintf(file, "%d %s %5.2f\n", 42, "text", 3.14159));
  NUMBER("fputs", fputs("second\n", file) >= 0 ? 0 : -1);
  NUMBER("ftell", ftell(file));
  TRUTH("read of a writer", fgetc(file) == EOF);
  NUMBER("fclose", fclose(file));
  file = fopen("data", "r+");
  REQUIRE(fgets(line, sizeof(line), file) != NULL);
  line[strcspn(line, "\n")] = '\0';
  observe("first line", "%s", line);
  fclose(file);
}

static void positions(void) {
  char line[64] = {0};
  int number = 0;
  char word[16];
  double real = 0;
  FILE* file = fopen("data", "r+");
  NUMBER("fscanf", fscanf(file, "%d %15s %lf", &number, word, &real));
  observe("what it read", "%d %s %.2f", number, word, real);
  NUMBER("fseek", fseek(file, -7, SEEK_END));
  REQUIRE(fgets(line, sizeof(line), file) != NULL);
  line[strcspn(line, "\n")] = '\0';
  observe("line at the end", "%s", line);
  NUMBER("fgetc at the end", fgetc(file));
  observe("feof and ferror", "%d %d", feof(file) != 0, ferror(file) != 0);
  rewind(file);
  observe("feof after rewind", "%d", feof(file) != 0);
  observe("fgetc", "%c", fgetc(file));
  ungetc('Q', file);
  const int pushed = fgetc(file);
  observe("after ungetc", "%c%c", pushed, fgetc(file));
  fseek(file, 0, SEEK_CUR);
  NUMBER("write in the middle", fputc('#', file) == '#' ? 0 : -1);
  NUMBER("fflush", fflush(file));
  rewind(file);
  REQUIRE(fgets(line, sizeof(line), file) != NULL);
  line[strcspn(line, "\n")] = '\0';
  observe("the changed line", "%s", line);
  fclose(file);
  file = fopen("data", "a+");
  fputs("appended", file);
  fseek(file, 0, SEEK_SET);
  observe("a+ reads from the start", "%c", fgetc(file));
  fclose(file);
  struct stat status;
  NUMBER("size", (stat("data", &status), status.st_size));
  TRUTH("fopen of nothing", fopen("none", "r") == NULL && errno == ENOENT);
  TRUTH("exclusive fopen", fopen("data", "wx") == NULL && errno == EEXIST);
  TRUTH("fopen with a wrong mode", fopen("data", "q") == NULL && errno == EINVAL);
}

static void lines(void) {
  char* line = NULL;
  size_t size = 0;
  FILE* file = fopen("lines", "w+");
  for (int number = 0; number < 3000; ++number) {
    fprintf(file, "line %d%s", number, number < 2999 ? "\n" : "");
  }
  rewind(file);
  int count = 0;
  ssize_t last = 0;
  for (ssize_t length = 0; (length = getline(&line, &size, file)) > 0; ++count) {
    last = length;
  }
  observe("lines", "%d, the last of %d bytes", count, (int)last);
  rewind(file);
  NUMBER("getdelim", getdelim(&line, &size, '9', file));
  free(line);
  char block[100];
  rewind(file);
  NUMBER("fread", fread(block, 10, 10, file));
  fseek(file, -15, SEEK_END);
  NUMBER("fread at the end", fread(block, 10, 10, file));
  fclose(file);
}

static void temporary(void) {
  char line[16] = {0};
  FILE* file = tmpfile();
  TRUTH("tmpfile", file != NULL);
  if (file != NULL) {
    fputs("kept", file);
    rewind(file);
    observe("what it holds", "%s", fgets(line, sizeof(line), file));
    fclose(file);
  }
  char name[] = "name-XXXXXX";
  const int descriptor = mkstemp(name);
  OUTCOME("mkstemp", descriptor);
  TRUTH("the name was filled in", strstr(name, "XXXXXX") == NULL);
  NUMBER("the file is there", access(name, R_OK | W_OK));
  NUMBER("remove it", unlink(name));
  close(descriptor);
  char folder[] = "folder-XXXXXX";
  TRUTH("mkdtemp", mkdtemp(folder) != NULL);
  NUMBER("remove the folder", rmdir(folder));
  char wrong[] = "without";
  NUMBER("mkstemp of a wrong name", mkstemp(wrong));
}

static void in_memory(void) {
  char buffer[32] = {0};
  char* text = NULL;
  size_t size = 0;
  FILE* file = fmemopen(buffer, sizeof(buffer), "w");
  REQUIRE(file != NULL);
  fprintf(file, "in memory");
  fclose(file);
  observe("fmemopen", "%s", buffer);
  file = open_memstream(&text, &size);
  fprintf(file, "%05d|%-6s|%+.3e|%x", 42, "ab", 12345.678, 255);
  fclose(file);
  observe("open_memstream", "%s, %d bytes", text, (int)size);
  free(text);
  file = fdopen(open("lines", O_RDONLY), "r");
  observe("fdopen", "%s", file != NULL ? "done" : error_name(errno));
  observe("fileno", "%s", fileno(file) > 2 ? "a descriptor" : "wrong");
  observe("freopen", "%s", freopen("data", "r", file) == file ? "done" : error_name(errno));
  observe("another file in the same stream", "%c", fgetc(file));
  fclose(file);
  observe("setlocale", "%s", setlocale(LC_ALL, "C.UTF-8") != NULL ? "done" : "failed");
  observe("characters of UTF-8", "%d", (int)mbstowcs(NULL, "h\xc3\xa9\xe2\x82\xac", 0));
}

int main(void) {
  enter_folder();
  modes();
  positions();
  lines();
  temporary();
  in_memory();
  return 0;
}
