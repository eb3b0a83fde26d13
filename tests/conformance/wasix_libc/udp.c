/* UDP over loopback: names, connected sockets, cut datagrams, IPv6, multicast. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>

#include "observe.h"

static int bound(struct sockaddr_in* name) {
  const int descriptor = socket(AF_INET, SOCK_DGRAM, 0);
  socklen_t length = sizeof(*name);
  memset(name, 0, sizeof(*name));
  name->sin_family = AF_INET;
  name->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(bind(descriptor, (struct sockaddr*)name, sizeof(*name)) == 0);
  REQUIRE(getsockname(descriptor, (struct sockaddr*)name, &length) == 0);
  return descriptor;
}

static void datagrams(void) {
  struct sockaddr_in name;
  struct sockaddr_in from;
  socklen_t length = sizeof(from);
  char text[64] = {0};
  const int server = bound(&name);
  const int client = socket(AF_INET, SOCK_DGRAM, 0);
  NUMBER("receive of nothing", recv(server, text, sizeof(text), MSG_DONTWAIT));
  NUMBER("sendto", sendto(client, "hello", 5, 0, (struct sockaddr*)&name, sizeof(name)));
  NUMBER("recvfrom", recvfrom(server, text, sizeof(text), 0, (struct sockaddr*)&from, &length));
  observe("from", "%s, %d bytes of name", inet_ntoa(from.sin_addr), (int)length);
  TRUTH("it has a port", from.sin_port != 0);
  NUMBER("answer", sendto(server, "back", 4, 0, (struct sockaddr*)&from, sizeof(from)));
  NUMBER("receive the answer", recv(client, text, sizeof(text), 0));
  REQUIRE(sendto(client, "abcdef", 6, 0, (struct sockaddr*)&name, sizeof(name)) == 6);
  REQUIRE(sendto(client, "gh", 2, 0, (struct sockaddr*)&name, sizeof(name)) == 2);
  NUMBER("peek at a part", recv(server, text, 3, MSG_PEEK));
  NUMBER("receive a part", recv(server, text, 3, 0));
  NUMBER("the rest is gone", recv(server, text, sizeof(text), 0));
  NUMBER("an empty datagram", sendto(client, "", 0, 0, (struct sockaddr*)&name, sizeof(name)));
  NUMBER("receive it", recv(server, text, sizeof(text), 0));
  NUMBER("MSG_TRUNC", (sendto(client, "abcdef", 6, 0, (struct sockaddr*)&name, sizeof(name)),
                       recv(server, text, 2, MSG_TRUNC)));
  static char much[70000];
  NUMBER("too much", sendto(client, much, sizeof(much), 0, (struct sockaddr*)&name, sizeof(name)));
  NUMBER("send without a target", send(client, "x", 1, 0));
  const struct timeval soon = {0, 10000};
  NUMBER("SO_RCVTIMEO", setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon)));
  NUMBER("receive until it is late", recv(server, text, 1, 0));
  close(client);
  close(server);
}

static void connected(void) {
  struct sockaddr_in name;
  struct sockaddr_in other_name;
  struct sockaddr_in peer;
  socklen_t length = sizeof(peer);
  char text[64] = {0};
  char more[64] = {0};
  const int server = bound(&name);
  const int client = bound(&other_name);
  NUMBER("peer before connecting", getpeername(client, (struct sockaddr*)&peer, &length));
  NUMBER("connect", connect(client, (struct sockaddr*)&name, sizeof(name)));
  NUMBER("getpeername", getpeername(client, (struct sockaddr*)&peer, &length));
  TRUTH("the peer is the server", peer.sin_port == name.sin_port);
  NUMBER("send", send(client, "one", 3, 0));
  NUMBER("receive", recv(server, text, sizeof(text), 0));
  struct sockaddr_in third_name;
  const int third = bound(&third_name);
  REQUIRE(sendto(third, "no", 2, 0, (struct sockaddr*)&other_name, sizeof(other_name)) == 2);
  REQUIRE(sendto(server, "yes", 3, 0, (struct sockaddr*)&other_name, sizeof(other_name)) == 3);
  NUMBER("only the peer's is received", recv(client, text, sizeof(text), 0));
  struct iovec parts[2] = {{"ab", 2}, {"cde", 3}};
  struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
  NUMBER("sendmsg", sendmsg(client, &message, 0));
  struct iovec places[2] = {{text, 3}, {more, 60}};
  memset(text, 0, sizeof(text));
  message = (struct msghdr){
      .msg_name = &peer, .msg_namelen = sizeof(peer), .msg_iov = places, .msg_iovlen = 2};
  NUMBER("recvmsg", recvmsg(server, &message, 0));
  observe("scattered", "%s|%s", text, more);
  TRUTH("recvmsg tells the sender", peer.sin_port == other_name.sin_port);
  REQUIRE(send(client, "abcdef", 6, 0) == 6);
  message.msg_iovlen = 1;
  message.msg_flags = 0;
  NUMBER("recvmsg of a part", recvmsg(server, &message, 0));
  TRUTH("it tells of the cut", (message.msg_flags & MSG_TRUNC) != 0);
  close(server);
  NUMBER("send to a closed port", send(client, "x", 1, 0));
  struct pollfd entry = {client, POLLIN, 0};
  poll(&entry, 1, 200);
  NUMBER("the error comes back", recv(client, text, sizeof(text), MSG_DONTWAIT));
  close(client);
  close(third);
}

static void version6(void) {
  struct sockaddr_in6 name = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
  struct sockaddr_in6 from;
  socklen_t length = sizeof(name);
  char text[64];
  const int server = socket(AF_INET6, SOCK_DGRAM, 0);
  NUMBER("bind to ::1", bind(server, (struct sockaddr*)&name, sizeof(name)));
  REQUIRE(getsockname(server, (struct sockaddr*)&name, &length) == 0);
  const int client = socket(AF_INET6, SOCK_DGRAM, 0);
  NUMBER("sendto ::1", sendto(client, "six", 3, 0, (struct sockaddr*)&name, sizeof(name)));
  length = sizeof(from);
  NUMBER("recvfrom ::1", recvfrom(server, text, sizeof(text), 0, (struct sockaddr*)&from, &length));
  observe("the sender", "%s", inet_ntop(AF_INET6, &from.sin6_addr, text, sizeof(text)));
  NUMBER("connect to ::1", connect(client, (struct sockaddr*)&name, sizeof(name)));
  NUMBER("send to ::1", send(client, "again", 5, 0));
  NUMBER("receive from ::1", recv(server, text, sizeof(text), 0));
  close(client);
  close(server);
}

static void multicast(void) {
  struct sockaddr_in group = {.sin_family = AF_INET};
  socklen_t length = sizeof(group);
  char text[16];
  int one = 1;
  const int member = socket(AF_INET, SOCK_DGRAM, 0);
  const int sender = socket(AF_INET, SOCK_DGRAM, 0);
  group.sin_addr.s_addr = htonl(INADDR_ANY);
  REQUIRE(bind(member, (struct sockaddr*)&group, sizeof(group)) == 0);
  REQUIRE(getsockname(member, (struct sockaddr*)&group, &length) == 0);
  struct ip_mreq membership = {.imr_interface.s_addr = htonl(INADDR_LOOPBACK)};
  inet_pton(AF_INET, "239.1.2.3", &membership.imr_multiaddr);
  NUMBER("join a group",
         setsockopt(member, IPPROTO_IP, IP_ADD_MEMBERSHIP, &membership, sizeof(membership)));
  const struct in_addr loopback = {htonl(INADDR_LOOPBACK)};
  setsockopt(sender, IPPROTO_IP, IP_MULTICAST_IF, &loopback, sizeof(loopback));
  NUMBER("IP_MULTICAST_LOOP", setsockopt(sender, IPPROTO_IP, IP_MULTICAST_LOOP, &one, sizeof(one)));
  NUMBER("IP_MULTICAST_TTL", setsockopt(sender, IPPROTO_IP, IP_MULTICAST_TTL, &one, sizeof(one)));
  /* From a loopback address, so that it stays on the loopback interface of this system. */
  struct sockaddr_in source = {.sin_family = AF_INET, .sin_addr = loopback};
  REQUIRE(bind(sender, (struct sockaddr*)&source, sizeof(source)) == 0);
  group.sin_addr = membership.imr_multiaddr;
  NUMBER("send to the group", sendto(sender, "all", 3, 0, (struct sockaddr*)&group, sizeof(group)));
  const struct timeval second = {1, 0};
  setsockopt(member, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
  NUMBER("the member receives", recv(member, text, sizeof(text), 0));
  NUMBER("leave the group",
         setsockopt(member, IPPROTO_IP, IP_DROP_MEMBERSHIP, &membership, sizeof(membership)));
  const struct timeval soon = {0, 10000};
  setsockopt(member, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon));
  sendto(sender, "none", 4, 0, (struct sockaddr*)&group, sizeof(group));
  NUMBER("no more after that", recv(member, text, sizeof(text), 0));
  close(member);
  close(sender);
}

int main(void) {
  datagrams();
  connected();
  version6();
  multicast();
  return 0;
}
