// A web program as RFC 3875 describes them: variables in, bytes out.
//   GET /         a greeting; ?name=Ada greets her
//   POST /upper   the body in upper case, as it arrives
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { kNameMax = 64 };

static const char* variable(const char* name) {
  const char* value = getenv(name);
  return value != NULL ? value : "";
}

static int hex_digit(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  c = (char)tolower((unsigned char)c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// Copies the decoded value of `name=` from a query string; printable ASCII only, at most kNameMax
// characters.
static void query_value(const char* query, const char* name, char* out) {
  size_t length = 0;
  size_t name_length = strlen(name);
  while (*query != '\0' && (strncmp(query, name, name_length) != 0 || query[name_length] != '=')) {
    query += strcspn(query, "&");
    query += *query == '&';
  }
  if (*query != '\0') {
    query += name_length + 1;
  }
  while (*query != '\0' && *query != '&' && length < kNameMax) {
    char c = *query++;
    if (c == '+') {
      c = ' ';
    } else if (c == '%' && hex_digit(query[0]) >= 0 && hex_digit(query[1]) >= 0) {
      c = (char)(hex_digit(query[0]) * 16 + hex_digit(query[1]));
      query += 2;
    }
    if (c >= ' ' && c <= '~') {
      out[length++] = c;
    }
  }
  out[length] = '\0';
}

static int to_upper(void) {
  printf("Content-Type: application/octet-stream\r\n\r\n");
  fflush(stdout);
  char block[16384];
  ssize_t count;
  while ((count = read(0, block, sizeof(block))) > 0) {
    for (ssize_t i = 0; i < count; ++i) {
      block[i] = (char)toupper((unsigned char)block[i]);
    }
    if (fwrite(block, 1, (size_t)count, stdout) != (size_t)count || fflush(stdout) != 0) {
      return 1;
    }
  }
  return count == 0 ? 0 : 1;
}

int main(void) {
  const char* path = variable("PATH_INFO");
  if (strcmp(path, "/upper") == 0) {
    return to_upper();
  }
  if (path[0] != '\0' && strcmp(path, "/") != 0) {
    printf("Status: 404 Not Found\r\nContent-Type: text/plain\r\n\r\nno such page\n");
    return 0;
  }
  char name[kNameMax + 1];
  query_value(variable("QUERY_STRING"), "name", name);
  printf("Content-Type: text/plain\r\n\r\n");
  printf("Hello, %s! This is C on Selvedge, asked by %s.\n", name[0] != '\0' ? name : "world",
         variable("REMOTE_ADDR"));
  return 0;
}
