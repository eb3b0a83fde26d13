/* POSIX threads: creation, exclusion, conditions, thread-local storage, ends of threads. */
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <time.h>

#include "observe.h"

enum { kThreads = 8, kRounds = 500 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static sem_t semaphore;
static __thread int local = 5;
static int counter;
static int initialised;
static int destroyed;
static int arrived;

static struct timespec soon(long milliseconds) {
  struct timespec time;
  clock_gettime(CLOCK_REALTIME, &time);
  time.tv_nsec += milliseconds * 1000000;
  time.tv_sec += time.tv_nsec / 1000000000;
  time.tv_nsec %= 1000000000;
  return time;
}

static void initialise(void) { ++initialised; }

static void destroy(void* value) { __sync_fetch_and_add(&destroyed, *(int*)value); }

static void* count(void* argument) {
  pthread_once(&once, initialise);
  local += *(int*)argument;
  pthread_setspecific(key, argument);
  for (int round = 0; round < kRounds; ++round) {
    pthread_mutex_lock(&mutex);
    ++counter;
    pthread_mutex_unlock(&mutex);
    if (round % 50 == 0) {
      sched_yield();
    }
  }
  errno = *(int*)argument;
  pthread_mutex_lock(&mutex);
  ++arrived;
  pthread_cond_broadcast(&condition);
  while (arrived < kThreads) {
    pthread_cond_wait(&condition, &mutex);
  }
  pthread_mutex_unlock(&mutex);
  return (void*)(long)(errno * 100 + local + (pthread_getspecific(key) == argument));
}

static void counting(void) {
  pthread_t threads[kThreads];
  int numbers[kThreads];
  long sum = 0;
  pthread_key_create(&key, destroy);
  for (int at = 0; at < kThreads; ++at) {
    numbers[at] = at + 1;
    REQUIRE(pthread_create(&threads[at], NULL, count, &numbers[at]) == 0);
  }
  for (int at = 0; at < kThreads; ++at) {
    void* result = NULL;
    REQUIRE(pthread_join(threads[at], &result) == 0);
    sum += (long)result;
  }
  observe("counted under a mutex", "%d", counter);
  observe("sum of results", "%ld", sum);
  observe("pthread_once ran", "%d", initialised);
  observe("values of the key that were destroyed", "%d", destroyed);
  observe("the main thread's own variable", "%d", local);
  TRUTH("the main thread has no value of the key", pthread_getspecific(key) == NULL);
}

static void conditions(void) {
  struct timespec deadline = soon(10);
  pthread_mutex_lock(&mutex);
  ERROR_OF("pthread_cond_timedwait", pthread_cond_timedwait(&condition, &mutex, &deadline));
  ERROR_OF("trylock of what we hold", pthread_mutex_trylock(&mutex));
  deadline = soon(10);
  ERROR_OF("timedlock of what we hold", pthread_mutex_timedlock(&mutex, &deadline));
  pthread_mutex_unlock(&mutex);
  deadline = (struct timespec){1, 0};
  pthread_mutex_lock(&mutex);
  ERROR_OF("a deadline in the past", pthread_cond_timedwait(&condition, &mutex, &deadline));
  pthread_mutex_unlock(&mutex);
  sem_init(&semaphore, 0, 1);
  NUMBER("sem_wait", sem_wait(&semaphore));
  NUMBER("sem_trywait", sem_trywait(&semaphore));
  deadline = soon(10);
  NUMBER("sem_timedwait", sem_timedwait(&semaphore, &deadline));
  int value = -1;
  sem_post(&semaphore);
  sem_post(&semaphore);
  sem_getvalue(&semaphore, &value);
  observe("value of the semaphore", "%d", value);
}

static void kinds(void) {
  pthread_mutexattr_t attributes;
  pthread_mutex_t special;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
  pthread_mutex_init(&special, &attributes);
  ERROR_OF("recursive lock", pthread_mutex_lock(&special));
  ERROR_OF("recursive lock again", pthread_mutex_lock(&special));
  ERROR_OF("recursive unlock", pthread_mutex_unlock(&special));
  ERROR_OF("recursive unlock again", pthread_mutex_unlock(&special));
  pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
  pthread_mutex_init(&special, &attributes);
  ERROR_OF("checked lock", pthread_mutex_lock(&special));
  ERROR_OF("checked lock again", pthread_mutex_lock(&special));
  pthread_rwlock_t shared = PTHREAD_RWLOCK_INITIALIZER;
  ERROR_OF("read lock", pthread_rwlock_rdlock(&shared));
  ERROR_OF("second read lock", pthread_rwlock_tryrdlock(&shared));
  ERROR_OF("write lock beside readers", pthread_rwlock_trywrlock(&shared));
  pthread_rwlock_unlock(&shared);
  pthread_rwlock_unlock(&shared);
  ERROR_OF("write lock", pthread_rwlock_wrlock(&shared));
  ERROR_OF("read lock beside a writer", pthread_rwlock_tryrdlock(&shared));
  pthread_rwlock_unlock(&shared);
  pthread_spinlock_t spin;
  pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE);
  ERROR_OF("spin lock", pthread_spin_lock(&spin));
  ERROR_OF("spin trylock", pthread_spin_trylock(&spin));
}

static pthread_barrier_t barrier;

static void* meet(void* argument) {
  (void)argument;
  long serial = 0;
  for (int round = 0; round < 20; ++round) {
    serial += pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD;
  }
  return (void*)serial;
}

static void* post(void* argument) {
  (void)argument;
  sem_post(&semaphore);
  return NULL;
}

static void clean(void* place) { *(int*)place += 1; }

static void* leave(void* place) {
  pthread_cleanup_push(clean, place);
  pthread_exit((void*)9);
  pthread_cleanup_pop(0);
}

static void* wait_for_ever(void* place) {
  pthread_cleanup_push(clean, place);
  sem_post(&semaphore);
  for (;;) {
    sleep(60);
  }
  pthread_cleanup_pop(0);
}

static void ends(void) {
  pthread_t threads[3];
  long serial = 0;
  void* result = NULL;
  int cleaned = 0;
  pthread_barrier_init(&barrier, NULL, 3);
  for (int at = 0; at < 3; ++at) {
    REQUIRE(pthread_create(&threads[at], NULL, meet, NULL) == 0);
  }
  for (int at = 0; at < 3; ++at) {
    pthread_join(threads[at], &result);
    serial += (long)result;
  }
  observe("serial threads in 20 rounds of a barrier", "%ld", serial);
  sem_init(&semaphore, 0, 0);
  pthread_create(&threads[0], NULL, post, NULL);
  ERROR_OF("detach", pthread_detach(threads[0]));
  NUMBER("a detached thread ran", sem_wait(&semaphore));
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  ERROR_OF("stack size", pthread_attr_setstacksize(&attributes, 1 << 20));
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  ERROR_OF("a thread made detached", pthread_create(&threads[0], &attributes, post, NULL));
  NUMBER("it ran", sem_wait(&semaphore));
  pthread_create(&threads[0], NULL, leave, &cleaned);
  ERROR_OF("join of pthread_exit", pthread_join(threads[0], &result));
  observe("its result and clean-up", "%ld %d", (long)result, cleaned);
  for (int round = 0; round < 200; ++round) {
    REQUIRE(pthread_create(&threads[0], NULL, post, NULL) == 0);
    REQUIRE(pthread_join(threads[0], NULL) == 0);
  }
  TRUTH("two hundred threads came and went", 1);
  TRUTH("pthread_equal", pthread_equal(pthread_self(), pthread_self()));
}

static volatile sig_atomic_t signals;

static void on_signal(int number) {
  (void)number;
  ++signals;
}

static void* wait_for_signal(void* argument) {
  sem_post(&semaphore);
  while (signals == 0) {
    usleep(1000);
  }
  return argument;
}

static void signalling(void) {
  pthread_t thread;
  void* result = NULL;
  signal(SIGUSR1, on_signal);
  sem_init(&semaphore, 0, 0);
  pthread_create(&thread, NULL, wait_for_signal, NULL);
  sem_wait(&semaphore);
  ERROR_OF("pthread_kill", pthread_kill(thread, SIGUSR1));
  pthread_join(thread, NULL);
  observe("handler ran", "%d", (int)signals);
  int cleaned = 0;
  pthread_create(&thread, NULL, wait_for_ever, &cleaned);
  sem_wait(&semaphore);
  const int error = pthread_cancel(thread);
  observe("pthread_cancel", "%s", error_name(error));
  if (error == 0) {
    pthread_join(thread, &result);
  }
  observe("cancelled and cleaned", "%d %d", result == PTHREAD_CANCELED, cleaned);
}

int main(void) {
  counting();
  conditions();
  kinds();
  ends();
  signalling();
  return 0;
}
