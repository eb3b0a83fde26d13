/* Threads that work together: a bounded queue, readers and writers, wake-ups, storage of threads.
 */
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "observe.h"

extern char** environ;

enum { kItems = 2000, kProducers = 3, kConsumers = 4, kSlots = 5 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t not_empty = PTHREAD_COND_INITIALIZER;
static pthread_cond_t not_full = PTHREAD_COND_INITIALIZER;
static int slots[kSlots];
static int used;
static int finished;

static void* produce(void* argument) {
  (void)argument;
  for (int item = 1; item <= kItems; ++item) {
    pthread_mutex_lock(&mutex);
    while (used == kSlots) {
      pthread_cond_wait(&not_full, &mutex);
    }
    slots[used++] = item;
    pthread_cond_signal(&not_empty);
    pthread_mutex_unlock(&mutex);
  }
  return NULL;
}

static void* consume(void* argument) {
  long sum = 0;
  (void)argument;
  pthread_mutex_lock(&mutex);
  for (;;) {
    while (used == 0 && !finished) {
      pthread_cond_wait(&not_empty, &mutex);
    }
    if (used == 0) {
      break;
    }
    sum += slots[--used];
    pthread_cond_signal(&not_full);
  }
  pthread_mutex_unlock(&mutex);
  return (void*)sum;
}

static void bounded_queue(void) {
  pthread_t producers[kProducers];
  pthread_t consumers[kConsumers];
  long sum = 0;
  for (int at = 0; at < kConsumers; ++at) {
    REQUIRE(pthread_create(&consumers[at], NULL, consume, NULL) == 0);
  }
  for (int at = 0; at < kProducers; ++at) {
    REQUIRE(pthread_create(&producers[at], NULL, produce, NULL) == 0);
  }
  for (int at = 0; at < kProducers; ++at) {
    pthread_join(producers[at], NULL);
  }
  pthread_mutex_lock(&mutex);
  finished = 1;
  pthread_cond_broadcast(&not_empty);
  pthread_mutex_unlock(&mutex);
  for (int at = 0; at < kConsumers; ++at) {
    void* result = NULL;
    pthread_join(consumers[at], &result);
    sum += (long)result;
  }
  observe("sum of the queue", "%ld", sum);
}

static pthread_rwlock_t shared = PTHREAD_RWLOCK_INITIALIZER;
static long pair[2];

static void* read_pair(void* argument) {
  long different = 0;
  (void)argument;
  for (int round = 0; round < 500; ++round) {
    pthread_rwlock_rdlock(&shared);
    different += pair[0] != pair[1];
    pthread_rwlock_unlock(&shared);
  }
  return (void*)different;
}

static void* write_pair(void* argument) {
  (void)argument;
  for (int round = 0; round < 500; ++round) {
    pthread_rwlock_wrlock(&shared);
    ++pair[0];
    sched_yield();
    ++pair[1];
    pthread_rwlock_unlock(&shared);
  }
  return NULL;
}

static void readers_and_writers(void) {
  pthread_t threads[6];
  long different = 0;
  for (int at = 0; at < 6; ++at) {
    REQUIRE(pthread_create(&threads[at], NULL, at % 3 == 0 ? write_pair : read_pair, NULL) == 0);
  }
  for (int at = 0; at < 6; ++at) {
    void* result = NULL;
    pthread_join(threads[at], &result);
    different += (long)result;
  }
  observe("a pair under a lock", "%ld %ld, different %ld", pair[0], pair[1], different);
}

static atomic_long atomic_sum;
static atomic_int turn;

static void* add(void* argument) {
  for (int round = 0; round < 3000; ++round) {
    atomic_fetch_add(&atomic_sum, (long)argument);
  }
  return NULL;
}

/* Two threads that spin for each other: both must get their turns. */
static void* spin(void* argument) {
  const int own = (int)(long)argument;
  for (int round = 0; round < 30; ++round) {
    while (atomic_load(&turn) % 2 != own) {
    }
    atomic_fetch_add(&turn, 1);
  }
  return NULL;
}

static void atomics(void) {
  pthread_t threads[4];
  for (long at = 0; at < 4; ++at) {
    REQUIRE(pthread_create(&threads[at], NULL, add, (void*)at) == 0);
  }
  for (int at = 0; at < 4; ++at) {
    pthread_join(threads[at], NULL);
  }
  observe("sum of atomics", "%ld", atomic_load(&atomic_sum));
  for (long at = 0; at < 2; ++at) {
    REQUIRE(pthread_create(&threads[at], NULL, spin, (void*)at) == 0);
  }
  for (int at = 0; at < 2; ++at) {
    pthread_join(threads[at], NULL);
  }
  observe("turns of two that spin", "%d", atomic_load(&turn));
}

static pthread_key_t key;
static atomic_int destroyed;

/* Sets the value again: destructors run for some rounds. */
static void destroy_again(void* value) {
  if (atomic_fetch_add(&destroyed, 1) < 2) {
    pthread_setspecific(key, value);
  }
}

static void* with_value(void* argument) {
  pthread_setspecific(key, argument);
  return NULL;
}

static void storage(void) {
  static pthread_key_t keys[100];
  pthread_t thread;
  int made = 0;
  for (int at = 0; at < 100; ++at) {
    made += pthread_key_create(&keys[at], NULL) == 0;
  }
  observe("keys", "%d", made);
  for (int at = 0; at < 100; ++at) {
    pthread_key_delete(keys[at]);
  }
  pthread_key_create(&key, destroy_again);
  REQUIRE(pthread_create(&thread, NULL, with_value, &key) == 0);
  pthread_join(thread, NULL);
  observe("rounds of destructors", "%d", atomic_load(&destroyed));
}

/* Programs that several threads start at once. */
static void* start_program(void* argument) {
  char* arguments[] = {"started", argument, NULL};
  pid_t child = -1;
  int status = -1;
  if (posix_spawn(&child, required_variable("SELF"), NULL, NULL, arguments, environ) != 0 ||
      waitpid(child, &status, 0) != child) {
    return (void*)-1L;
  }
  return (void*)(long)WEXITSTATUS(status);
}

static void programs(void) {
  pthread_t threads[4];
  char* numbers[4] = {"1", "2", "3", "4"};
  long sum = 0;
  for (int at = 0; at < 4; ++at) {
    REQUIRE(pthread_create(&threads[at], NULL, start_program, numbers[at]) == 0);
  }
  for (int at = 0; at < 4; ++at) {
    void* result = NULL;
    pthread_join(threads[at], &result);
    sum += (long)result;
  }
  observe("sum of statuses", "%ld", sum);
}

int main(int count, char** arguments) {
  if (count == 2) {
    return atoi(arguments[1]);
  }
  bounded_queue();
  readers_and_writers();
  atomics();
  storage();
  programs();
  return 0;
}
