/* AF_UNIX: pairs, streams and datagrams with names in the file system. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "observe.h"

static struct sockaddr_un address;

/* The length of an address up to the end of its path. */
static socklen_t name(const char* path) {
  memset(&address, 0, sizeof(address));
  address.sun_family = AF_UNIX;
  snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", required_variable("FOLDER"), path);
  return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(address.sun_path));
}

static const struct sockaddr* target(void) { return (const struct sockaddr*)&address; }

static void pairs(void) {
  char text[16] = {0};
  int pair[2];
  NUMBER("a pair of streams", socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
  NUMBER("write to one", write(pair[0], "abcdef", 6));
  NUMBER("read a part from the other", read(pair[1], text, 2));
  NUMBER("read the rest", read(pair[1], text, sizeof(text)));
  NUMBER("receive of nothing", recv(pair[1], text, 1, MSG_DONTWAIT));
  NUMBER("half close", shutdown(pair[0], SHUT_WR));
  NUMBER("read at the end", read(pair[1], text, 1));
  NUMBER("write after half close", send(pair[0], "x", 1, MSG_NOSIGNAL));
  NUMBER("write the other way", write(pair[1], "back", 4));
  NUMBER("read the other way", read(pair[0], text, sizeof(text)));
  close(pair[0]);
  NUMBER("write to nobody", send(pair[1], "x", 1, MSG_NOSIGNAL));
  close(pair[1]);
  NUMBER("a pair of datagram sockets", socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
  NUMBER("send a datagram", send(pair[0], "abcdef", 6, 0));
  NUMBER("send another", send(pair[0], "gh", 2, 0));
  NUMBER("receive a part of one", recv(pair[1], text, 3, 0));
  NUMBER("receive the other", recv(pair[1], text, sizeof(text), 0));
  close(pair[0]);
  close(pair[1]);
}

static void streams(void) {
  char text[16] = {0};
  struct stat status;
  struct sockaddr_un told;
  socklen_t length = name("stream");
  const int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  const int early = socket(AF_UNIX, SOCK_STREAM, 0);
  NUMBER("connect to nothing", connect(early, target(), length));
  NUMBER("bind", bind(listener, target(), length));
  NUMBER("connect before listening", connect(early, target(), length));
  close(early);
  NUMBER("listen", listen(listener, 4));
  NUMBER("it is a file", stat(address.sun_path, &status));
  TRUTH("of the kind of sockets", S_ISSOCK(status.st_mode));
  TRUTH("which cannot be opened", open(address.sun_path, O_RDWR) < 0);
  const int second = socket(AF_UNIX, SOCK_STREAM, 0);
  NUMBER("bind to the name again", bind(second, target(), length));
  close(second);
  const int client = socket(AF_UNIX, SOCK_STREAM, 0);
  NUMBER("connect", connect(client, target(), length));
  const int server = accept(listener, NULL, NULL);
  OUTCOME("accept", server);
  NUMBER("write", write(client, "over unix", 9));
  NUMBER("read", read(server, text, sizeof(text)));
  observe("text", "%.9s", text);
  length = sizeof(told);
  memset(&told, 0, sizeof(told));
  NUMBER("getpeername", getpeername(client, (struct sockaddr*)&told, &length));
  TRUTH("the peer has the name", strcmp(told.sun_path, address.sun_path) == 0);
  length = sizeof(told);
  memset(&told, 0, sizeof(told));
  NUMBER("getsockname", getsockname(server, (struct sockaddr*)&told, &length));
  TRUTH("the server has the name", strcmp(told.sun_path, address.sun_path) == 0);
  NUMBER("the name can be removed", unlink(address.sun_path));
  NUMBER("the connection stays", write(client, "x", 1));
  const int late = socket(AF_UNIX, SOCK_STREAM, 0);
  NUMBER("connect without the name", connect(late, target(), name("stream")));
  close(late);
  close(client);
  close(server);
  close(listener);
  const socklen_t full = sizeof(address);
  name("padded");
  const int padded = socket(AF_UNIX, SOCK_STREAM, 0);
  NUMBER("bind with the length of the structure", bind(padded, target(), full));
  close(padded);
  NUMBER("its name stays after close", access(address.sun_path, F_OK));
  const int again = socket(AF_UNIX, SOCK_STREAM, 0);
  NUMBER("connect to a name without a socket", connect(again, target(), name("padded")));
  NUMBER("bind to what stayed", bind(again, target(), name("padded")));
  close(again);
}

static void datagrams(void) {
  char text[16] = {0};
  struct sockaddr_un from;
  socklen_t from_length = sizeof(from);
  const int server = socket(AF_UNIX, SOCK_DGRAM, 0);
  const int client = socket(AF_UNIX, SOCK_DGRAM, 0);
  NUMBER("bind the client", bind(client, target(), name("client")));
  NUMBER("bind the server", bind(server, target(), name("server")));
  NUMBER("sendto", sendto(client, "one", 3, 0, target(), name("server")));
  memset(&from, 0, sizeof(from));
  NUMBER("recvfrom",
         recvfrom(server, text, sizeof(text), 0, (struct sockaddr*)&from, &from_length));
  const char* last = strrchr(from.sun_path, '/');
  observe("the sender", "%s", last != NULL ? last + 1 : "(none)");
  NUMBER("connect the client", connect(client, target(), name("server")));
  NUMBER("send", send(client, "two", 3, 0));
  NUMBER("receive", recv(server, text, sizeof(text), 0));
  close(server);
  NUMBER("send to nobody", send(client, "x", 1, MSG_NOSIGNAL));
  NUMBER("the name is still there", access(address.sun_path, F_OK));
  close(client);
}

/* A relative name, and a child as the client. */
static void over_fork(void) {
  char text[16] = {0};
  memset(&address, 0, sizeof(address));
  address.sun_family = AF_UNIX;
  strcpy(address.sun_path, "relative");
  const socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen("relative"));
  const int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  NUMBER("bind a relative name", bind(listener, target(), length));
  NUMBER("listen there", listen(listener, 1));
  const pid_t child = fork();
  if (child == 0) {
    const int client = socket(AF_UNIX, SOCK_STREAM, 0);
    REQUIRE(connect(client, target(), length) == 0 && write(client, "child", 5) == 5);
    _exit(0);
  }
  const int server = accept(listener, NULL, NULL);
  observe("from the child", "%s", read_all(server, text, sizeof(text)));
  waitpid(child, NULL, 0);
  close(server);
  close(listener);
}

int main(void) {
  signal(SIGPIPE, SIG_IGN);
  enter_folder();
  pairs();
  streams();
  datagrams();
  over_fork();
  return 0;
}
