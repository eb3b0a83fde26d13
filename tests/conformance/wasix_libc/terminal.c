/* A terminal: its modes, lines that are typed, signals of its keys, its size.
 *
 * The runner gives a terminal and does what lines of this program ask for: "type N: TEXT" and
 * "resize N: ROWS COLUMNS". What the terminal echoes is compared too. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>

#include "observe.h"

static int wake[2];

static void on_signal(int number) {
  const char kind = number == SIGINT ? 'i' : number == SIGQUIT ? 'q' : 'w';
  REQUIRE(write(wake[1], &kind, 1) == 1);
}

/* Waits until a handler has written to the pipe. */
static char woken(void) {
  char kind = '?';
  while (read(wake[0], &kind, 1) < 0 && errno == EINTR) {
  }
  return kind;
}

static void read_line(const char* label) {
  char text[64] = {0};
  const ssize_t length = read(STDIN_FILENO, text, sizeof(text) - 1);
  text[strcspn(text, "\n")] = '\0';
  observe(label, "%ld bytes, %s", (long)length, text);
}

static void modes(void) {
  struct termios state;
  struct winsize size = {0};
  observe("isatty", "%d %d %d", isatty(0), isatty(1), isatty(wake[0]));
  NUMBER("tcgetattr", tcgetattr(0, &state));
  observe("modes", "%s%s%s", state.c_lflag & ICANON ? "lines " : "",
          state.c_lflag & ECHO ? "echo " : "", state.c_lflag & ISIG ? "signals" : "");
  NUMBER("tcgetattr of a pipe", tcgetattr(wake[0], &state));
  NUMBER("TIOCGWINSZ", ioctl(0, TIOCGWINSZ, &size));
  observe("size", "%d %d", size.ws_row, size.ws_col);
  struct stat status;
  TRUTH("a character device", fstat(0, &status) == 0 && S_ISCHR(status.st_mode));
  OUTCOME("/dev/tty", open("/dev/tty", O_RDWR));
  NUMBER("seek", lseek(0, 0, SEEK_SET));
}

static void lines(void) {
  observe("type 1", "hello\\n");
  read_line("a line");
  observe("type 2", "helpX\\x7flo\\n");
  read_line("a line with a key erased");
  observe("type 3", "\\x04");
  read_line("the end of the input");
  observe("type 4", "again\\n");
  read_line("a line after the end");
  struct pollfd entry = {0, POLLIN, 0};
  NUMBER("nothing is typed", poll(&entry, 1, 0));
  observe("type 5", "polled\\n");
  const int count = poll(&entry, 1, -1);
  read_line("a line after poll");
  observe("poll", "%d", count);
}

static void without_echo(void) {
  struct termios state;
  REQUIRE(tcgetattr(0, &state) == 0);
  state.c_lflag &= ~(tcflag_t)ECHO;
  NUMBER("switch the echo off", tcsetattr(0, TCSANOW, &state));
  observe("type 6", "secret\\n");
  read_line("a line that nobody sees");
  state.c_lflag &= ~(tcflag_t)ICANON;
  NUMBER("switch lines off", tcsetattr(0, TCSANOW, &state));
  observe("type 7", "k");
  read_line("a key");
  state.c_lflag |= ICANON | ECHO;
  NUMBER("switch all on", tcsetattr(0, TCSANOW, &state));
}

static void signals(void) {
  struct sigaction action = {.sa_handler = on_signal};
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGQUIT, &action, NULL);
  sigaction(SIGWINCH, &action, NULL);
  observe("type 8", "\\x03");
  observe("the key for SIGINT", "%c", woken());
  observe("type 9", "\\x1c");
  observe("the key for SIGQUIT", "%c", woken());
  observe("resize 1", "40 100");
  observe("a new size", "%c", woken());
  struct winsize size = {0};
  REQUIRE(ioctl(1, TIOCGWINSZ, &size) == 0);
  observe("the size", "%d %d", size.ws_row, size.ws_col);
}

/* A key reaches the child too, which has no handler of its own. */
static void children(void) {
  int ends[2];
  char text[4];
  int status = -1;
  REQUIRE(pipe(ends) == 0);
  const pid_t child = fork();
  if (child == 0) {
    REQUIRE(write(ends[1], "x", 1) == 1);
    char kind = woken();
    _exit(kind == 'i' ? 5 : 6);
  }
  close(ends[1]);
  REQUIRE(read(ends[0], text, 1) == 1);
  observe("type 10", "\\x03");
  /* One of the two handlers wrote for each of both processes. */
  const char kind = woken();
  REQUIRE(waitpid(child, &status, 0) == child);
  observe("the key for both", "%c %d", kind, WEXITSTATUS(status));
}

int main(void) {
  REQUIRE(pipe(wake) == 0);
  modes();
  lines();
  without_echo();
  signals();
  children();
  return 0;
}
