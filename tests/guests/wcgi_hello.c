// The smallest CGI answer: a fixed head and a fixed body in one write. Benchmarks measure the
// platform with it.
#include <unistd.h>

int main(void) {
  static const char kAnswer[] =
      "Content-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, world\n";
  return write(1, kAnswer, sizeof(kAnswer) - 1) == (ssize_t)(sizeof(kAnswer) - 1) ? 0 : 1;
}
