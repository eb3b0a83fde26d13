#define _GNU_SOURCE  // memmem
#include "http.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { kPageBytesMax = 32768, kHeadBytesMax = 512 };

static char page[kPageBytesMax];
static size_t page_size;

int load_page(const char* path) {
  FILE* const file = fopen(path, "rb");
  if (file == NULL) {
    return 0;
  }
  page_size = fread(page, 1, sizeof(page), file);
  const int is_whole = feof(file) != 0;
  fclose(file);
  return is_whole;
}

// The value of a header field in a head that ends with '\0'; its length. NULL: there is none.
static const char* field(const char* head, const char* name, size_t* length) {
  const size_t name_length = strlen(name);
  for (const char* line = strstr(head, "\r\n"); line != NULL; line = strstr(line, "\r\n")) {
    line += 2;
    if (strncasecmp(line, name, name_length) == 0 && line[name_length] == ':') {
      line += name_length + 1;
      line += strspn(line, " \t");
      *length = strcspn(line, "\r");
      while (*length > 0 && (line[*length - 1] == ' ' || line[*length - 1] == '\t')) {
        --*length;
      }
      return line;
    }
  }
  return NULL;
}

static int field_is(const char* head, const char* name, const char* wanted) {
  size_t length;
  const char* const value = field(head, name, &length);
  return value != NULL && length == strlen(wanted) && strncasecmp(value, wanted, length) == 0;
}

static void respond(Client* client, const char* head, const char* status, const char* type,
                    const char* content, size_t size) {
  size_t unused;
  // Content of requests is not read, so the connection cannot go on behind it.
  const int has_content = field(head, "Content-Length", &unused) != NULL ||
                          field(head, "Transfer-Encoding", &unused) != NULL;
  char text[kHeadBytesMax];
  const int length = snprintf(text, sizeof(text),
                              "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s\r\n",
                              status, type, size, has_content ? "Connection: close\r\n" : "");
  send_bytes(client, text, (size_t)length);
  if (strncmp(head, "HEAD ", 5) != 0) {
    send_bytes(client, content, size);
  }
  if (has_content) {
    client->close_after = 1;
    flush_output(client);
  }
}

static void respond_plainly(Client* client, const char* head, const char* status) {
  char text[kHeadBytesMax];
  const int size = snprintf(text, sizeof(text), "%s\n", status);
  respond(client, head, status, "text/plain", text, (size_t)size);
}

// RFC 6455 section 4.2. False: the request does not ask for it in the right way, and has its
// answer.
static int upgrade(Client* client, const char* head) {
  size_t key_length;
  const char* const key = field(head, "Sec-WebSocket-Key", &key_length);
  if (!field_is(head, "Upgrade", "websocket") || !field_is(head, "Sec-WebSocket-Version", "13")) {
    respond_plainly(client, head, "426 Upgrade Required");
    return 0;
  }
  if (key == NULL || key_length != kKeyBytes || strncmp(head, "GET ", 4) != 0) {
    respond_plainly(client, head, "400 Bad Request");
    return 0;
  }
  char accept[kAcceptBytes + 1];
  websocket_accept(key, accept);
  char text[kHeadBytesMax];
  const int length = snprintf(text, sizeof(text),
                              "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                              "Upgrade: websocket\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                              accept);
  send_bytes(client, text, (size_t)length);
  return 1;
}

int answer_request(Client* client) {
  static const char kEnd[] = "\r\n\r\n";
  const uint8_t* const end = memmem(client->input, client->input_size, kEnd, strlen(kEnd));
  if (end == NULL) {
    if (client->input_size == sizeof(client->input)) {
      respond_plainly(client, "", "431 Request Header Fields Too Large");
      client->is_gone = 1;
    }
    return 0;
  }
  static char head[kInputBytesMax + 1];
  const size_t size = (size_t)(end - client->input) + strlen(kEnd);
  memcpy(head, client->input, size);
  head[size] = '\0';
  consume_input(client, size);
  const char* target = strchr(head, ' ');
  target = target != NULL ? target + 1 : "";
  const size_t length = strcspn(target, " ?\r");
  if (length == 5 && memcmp(target, "/chat", length) == 0) {
    return upgrade(client, head) ? 2 : 1;
  }
  if (length == 1 && target[0] == '/') {
    respond(client, head, "200 OK", "text/html; charset=utf-8", page, page_size);
  } else {
    respond_plainly(client, head, "404 Not Found");
  }
  return 1;
}
