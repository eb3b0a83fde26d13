/* getaddrinfo and its relatives, for what needs no name server. */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "observe.h"

static void look_up(const char* label, const char* host, const char* service, int family,
                    int flags) {
  struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_STREAM, .ai_flags = flags};
  struct addrinfo* found = NULL;
  const int error = getaddrinfo(host, service, &hints, &found);
  if (error != 0) {
    observe(label, "failed");
    return;
  }
  char text[128] = "";
  char port[16] = "";
  getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof(text), port, sizeof(port),
              NI_NUMERICHOST | NI_NUMERICSERV);
  const size_t length =
      found->ai_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
  observe(label, "%s port %s, type %s, length %s", text, port,
          found->ai_socktype == SOCK_STREAM ? "stream" : "another",
          found->ai_addrlen == length ? "right" : "wrong");
  freeaddrinfo(found);
}

int main(void) {
  char text[64];
  struct in_addr address;
  struct in6_addr address6;
  look_up("an address", "127.0.0.1", "80", AF_UNSPEC, 0);
  look_up("an address of version 6", "::1", "8080", AF_UNSPEC, 0);
  look_up("an address of the other family", "::1", "80", AF_INET, 0);
  look_up("localhost", "localhost", "80", AF_INET, 0);
  look_up("a service by name", "127.0.0.1", "http", AF_INET, 0);
  look_up("a service that is not there", "127.0.0.1", "no-such-service", AF_INET, 0);
  look_up("to listen anywhere", NULL, "8080", AF_INET, AI_PASSIVE);
  look_up("to connect to oneself", NULL, "8080", AF_INET, 0);
  look_up("a name where only numbers are allowed", "localhost", "80", AF_INET, AI_NUMERICHOST);
  look_up("a service where only numbers are allowed", "127.0.0.1", "http", AF_INET, AI_NUMERICSERV);
  look_up("neither", NULL, NULL, AF_INET, 0);
  const struct hostent* host = gethostbyname("127.0.0.1");
  observe("gethostbyname", "%s", host != NULL ? "found" : "not found");
  NUMBER("inet_pton", inet_pton(AF_INET, "10.1.2.3", &address));
  NUMBER("inet_pton of no address", inet_pton(AF_INET, "10.1.2.300", &address));
  observe("inet_ntoa", "%s", (inet_aton("10.1.2.3", &address), inet_ntoa(address)));
  NUMBER("inet_pton of version 6", inet_pton(AF_INET6, "2001:db8:0:0::0:1", &address6));
  observe("inet_ntop", "%s", inet_ntop(AF_INET6, &address6, text, sizeof(text)));
  observe("byte order", "%x %x", (unsigned)ntohs(htons(0x1234)),
          (unsigned)ntohl(htonl(0x12345678)));
  NUMBER("gethostname", gethostname(text, sizeof(text)));
  TRUTH("the host has a name", strlen(text) > 0);
  return 0;
}
