/* Clocks, sleeping, and the calendar. */
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/times.h>
#include <time.h>

#include "observe.h"

static double seconds(clockid_t clock) {
  struct timespec time;
  REQUIRE(clock_gettime(clock, &time) == 0);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void clocks(void) {
  struct timespec time;
  struct timeval day;
  NUMBER("CLOCK_REALTIME", clock_gettime(CLOCK_REALTIME, &time));
  TRUTH("it is after 2020", time.tv_sec > 1577836800);
  NUMBER("gettimeofday", gettimeofday(&day, NULL));
  TRUTH("they agree", day.tv_sec - time.tv_sec < 5);
  const double start = seconds(CLOCK_MONOTONIC);
  time = (struct timespec){0, 5000000};
  NUMBER("nanosleep", nanosleep(&time, NULL));
  const double slept = seconds(CLOCK_MONOTONIC) - start;
  TRUTH("it slept at least that long", slept >= 0.005);
  NUMBER("usleep", usleep(1000));
  time = (struct timespec){0, 1000000000};
  NUMBER("nanosleep of too many nanoseconds", nanosleep(&time, NULL));
  time = (struct timespec){0, 1000000};
  ERROR_OF("clock_nanosleep", clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL));
  clock_gettime(CLOCK_MONOTONIC, &time);
  ERROR_OF("clock_nanosleep until now",
           clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL));
  NUMBER("clock_getres", clock_getres(CLOCK_MONOTONIC, &time));
  TRUTH("a resolution", time.tv_sec == 0 && time.tv_nsec > 0);
  NUMBER("an unknown clock", clock_gettime((clockid_t)77, &time));
  double before = seconds(CLOCK_PROCESS_CPUTIME_ID);
  volatile unsigned long work = 0;
  while (work < 30000000) {
    ++work;
  }
  TRUTH("computing takes CPU time", seconds(CLOCK_PROCESS_CPUTIME_ID) > before);
  TRUTH("the thread's too", seconds(CLOCK_THREAD_CPUTIME_ID) > 0);
  TRUTH("clock", clock() > 0);
  struct rusage usage;
  NUMBER("getrusage", getrusage(RUSAGE_SELF, &usage));
  TRUTH("it tells of CPU time", usage.ru_utime.tv_sec > 0 || usage.ru_utime.tv_usec > 0);
}

static void calendar(void) {
  char text[64];
  const time_t moment = 1700000000;
  struct tm parts;
  setenv("TZ", "UTC0", 1);
  tzset();
  REQUIRE(gmtime_r(&moment, &parts) != NULL);
  observe("gmtime", "%d-%02d-%02d %02d:%02d:%02d, day %d of the week, %d of the year",
          parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min,
          parts.tm_sec, parts.tm_wday, parts.tm_yday);
  strftime(text, sizeof(text), "%a %d %b %Y %H:%M:%S %j %U", &parts);
  observe("strftime", "%s", text);
  TRUTH("mktime is its inverse", mktime(&parts) == moment);
  parts.tm_mon += 14;
  mktime(&parts);
  observe("mktime normalises", "%d-%02d", parts.tm_year + 1900, parts.tm_mon + 1);
  observe("ctime", "%.24s", ctime(&moment));
  memset(&parts, 0, sizeof(parts));
  TRUTH("strptime", strptime("2024-02-29 12:30", "%Y-%m-%d %H:%M", &parts) != NULL);
  observe("the day", "%d %d", parts.tm_mon, parts.tm_mday);
  setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
  tzset();
  const time_t summer = 1690000000;
  strftime(text, sizeof(text), "%H:%M %Z", localtime(&summer));
  observe("summer time", "%s", text);
  strftime(text, sizeof(text), "%H:%M %Z", localtime(&moment));
  observe("winter time", "%s", text);
  const time_t negative = -86400;
  observe("before 1970", "%d", gmtime(&negative)->tm_year);
  observe("difftime", "%.0f", difftime(summer, moment));
}

int main(void) {
  clocks();
  calendar();
  return 0;
}
