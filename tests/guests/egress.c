// Talks to the outside as its arguments say: get HOST PORT, ask HOST PORT TEXT, ask-connected HOST
// PORT TEXT, look-up NAME. As a WCGI program it takes them from the query, separated by '&', and
// answers with what it printed.
#include <stdlib.h>

#include "egress_client.h"

static int run(int count, char** words) {
  if (count == 3 && strcmp(words[0], "get") == 0) {
    return get(stdout, words[1], (uint16_t)atoi(words[2]));
  }
  if (count == 4 && strcmp(words[0], "ask") == 0) {
    return ask(stdout, words[1], (uint16_t)atoi(words[2]), words[3]);
  }
  if (count == 4 && strcmp(words[0], "ask-connected") == 0) {
    return ask_connected(stdout, words[1], (uint16_t)atoi(words[2]), words[3]);
  }
  if (count == 2 && strcmp(words[0], "look-up") == 0) {
    return look_up(stdout, words[1]);
  }
  return 2;
}

int main(int argc, char** argv) {
  char* query = getenv("QUERY_STRING");
  if (query == NULL) {
    return run(argc - 1, argv + 1);
  }
  char* words[4];
  int count = 0;
  for (char* word = strtok(query, "&"); word != NULL && count < 4; word = strtok(NULL, "&")) {
    words[count++] = word;
  }
  printf("Content-Type: text/plain\r\n\r\n");
  run(count, words);
  return 0;
}
