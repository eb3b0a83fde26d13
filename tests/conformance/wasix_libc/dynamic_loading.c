/* dlopen: a library with constructors and thread-local variables, which uses what the program has.
 */
#include <dlfcn.h>
#include <pthread.h>

#include "observe.h"

int shared_number = 100;
const char* constructor_said = "nothing";

int doubled(int value) { return value * 2; }

static int (*next_of_thread)(void);

static void* count_in_thread(void* result) {
  next_of_thread();
  *(int*)result = next_of_thread();
  return NULL;
}

int main(void) {
  char path[300];
  snprintf(path, sizeof(path), "%s_side.so", required_variable("SELF"));
  TRUTH("dlopen of nothing", dlopen("/nowhere/library.so", RTLD_NOW) == NULL);
  TRUTH("dlerror tells", dlerror() != NULL);
  TRUTH("dlerror tells once", dlerror() == NULL);
  void* library = dlopen(path, RTLD_NOW);
  if (library == NULL) {
    observe("dlopen", "%s", dlerror());
    return 1;
  }
  observe("the constructor", "%s", constructor_said);
  int (*combine)(int) = (int (*)(int))dlsym(library, "combine");
  int* number = (int*)dlsym(library, "side_number");
  REQUIRE(combine != NULL && number != NULL);
  observe("a function of the library", "%d", combine(1));
  *number = 1000;
  shared_number = 200;
  observe("after changing both numbers", "%d", combine(1));
  int (*(*get)(void))(int) = (int (*(*)(void))(int))dlsym(library, "get_combine");
  TRUTH("both see the same address of a function", get() == combine);
  int (*call)(int (*)(int), int) = (int (*)(int (*)(int), int))dlsym(library, "call");
  observe("the library calls a function of the program", "%d", call(doubled, 21));
  next_of_thread = (int (*)(void))dlsym(library, "next_of_thread");
  next_of_thread();
  next_of_thread();
  int in_thread = 0;
  pthread_t thread;
  REQUIRE(pthread_create(&thread, NULL, count_in_thread, &in_thread) == 0);
  pthread_join(thread, NULL);
  observe("a variable of each thread", "%d %d", next_of_thread(), in_thread);
  TRUTH("a symbol that is not there", dlsym(library, "missing") == NULL && dlerror() != NULL);
  int (*found)(int) = (int (*)(int))dlsym(RTLD_DEFAULT, "doubled");
  observe("a symbol of the program", "%d", found != NULL ? found(4) : 0);
  TRUTH("at the same address", found == doubled);
  TRUTH("opened again it is the same", dlopen(path, RTLD_NOW) == library);
  NUMBER("dlclose", dlclose(library));
  return 0;
}
