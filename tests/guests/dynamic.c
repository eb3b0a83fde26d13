/* Loads libraries (library.c, library_needs.c), and calls functions by their address. dynamic CASE
 * [FOLDER]: ends with 0 and "ok" when everything holds. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wasix.h>

#define VISIBLE __attribute__((visibility("default"), used))

VISIBLE int program_value = 3;
VISIBLE int program_add(int a, int b) { return a + b; }

static char error[256];
static const char* folder = "/guests";

static int check(int holds, const char* what) {
  if (!holds) {
    printf("not so: %s (%s)\n", what, error);
    exit(1);
  }
  return 1;
}
#define CHECK(condition) check((condition) != 0, #condition)

static int32_t open_library(const char* name, uint32_t flags, uint32_t* handle) {
  return wasix_dlopen(name, strlen(name), flags, error, sizeof(error), folder, strlen(folder),
                      handle);
}

static void* find(uint32_t handle, const char* name) {
  uintptr_t address = 0;
  return wasix_dlsym(handle, name, strlen(name), error, sizeof(error), &address) == 0
             ? (void*)address
             : NULL;
}

static void load(void) {
  uint32_t handle = 0, again = 0;
  CHECK(open_library("library.so", 0, &handle) == 0);
  int* counter = find(handle, "library_counter");
  int (*add)(int) = find(handle, "library_add");
  int (*(*operation)(int))(int) = find(handle, "library_operation");
  CHECK(counter != NULL && add != NULL && operation != NULL);
  CHECK(*counter == 5);
  CHECK(add(10) == 10 + 5 + 100 + 3000);
  CHECK(*counter == 6);
  *counter = 1;
  program_value = 2;
  CHECK(add(0) == 1 + 100 + 2000);
  CHECK(operation(0)(4) == -4 && operation(1)(4) == 8);
  CHECK(operation(2) == add);
  CHECK(open_library("/guests/library.so", WASIX_DL_NOLOAD, &again) == 0 && again == handle);
  CHECK(find(handle, "library_add") == (void*)add);
  CHECK(find(handle, "library_nothing") == NULL);
  CHECK(strstr(error, "library_nothing") != NULL);
  CHECK(wasix_dlclose(handle, error, sizeof(error)) == 0);
}

static void needs(void) {
  uint32_t handle = 0, program = 0;
  CHECK(open_library("library_needs.so", WASIX_DL_GLOBAL, &handle) == 0);
  int (*run)(int) = find(handle, "needs_run");
  CHECK(run != NULL && run(20) == 20 + 1 + 100 + 3000);
  CHECK(find(handle, "library_mix") != NULL);
  CHECK(wasix_dlopen(NULL, 0, 0, error, sizeof(error), NULL, 0, &program) == 0);
  CHECK(find(program, "program_value") == (void*)&program_value);
  CHECK(find(0, "needs_run") == (void*)run);
}

static void errors(void) {
  uint32_t handle = 0;
  CHECK(open_library("nothing.so", 0, &handle) == ENOENT);
  CHECK(strstr(error, "nothing.so") != NULL);
  CHECK(open_library("library.so", WASIX_DL_NOLOAD, &handle) == ENOENT);
  CHECK(open_library("/guests/hello.wasm", 0, &handle) == ENOEXEC);
  CHECK(strstr(error, "not a library") != NULL);
  CHECK(open_library("/guests/flood.c", 0, &handle) == ENOENT);
  CHECK(open_library("library_shared.so", 0, &handle) == ENOEXEC);
  CHECK(strstr(error, "without `--shared-memory`") != NULL);
  CHECK(find(77, "library_add") == NULL);
  CHECK(wasix_dlclose(77, error, sizeof(error)) == EINVAL);
  CHECK(handle == 0);
  load();
}

static double scale(int a, double b) { return a * b; }

static void sum(const void* arguments, void* results, void* environment) {
  int64_t a;
  float b;
  memcpy(&a, arguments, sizeof(a));
  memcpy(&b, (const char*)arguments + sizeof(a), sizeof(b));
  const double result = (double)a + (double)b + *(int*)environment;
  memcpy(results, &result, sizeof(result));
}

static void calls(void) {
  struct __attribute__((packed)) {
    int32_t a;
    double b;
  } values = {3, 1.5};
  double result = 0;
  const uintptr_t function = (uintptr_t)&scale;
  CHECK(wasix_call_dynamic(function, &values, sizeof(values), &result, sizeof(result), 1) == 0);
  CHECK(result == 4.5);
  CHECK(wasix_call_dynamic(function, &values, sizeof(values) - 1, &result, sizeof(result), 1) ==
        EINVAL);
  CHECK(wasix_call_dynamic(function, &values, sizeof(values.a), &result, sizeof(result), 0) == 0);
  CHECK(result == 0);
  CHECK(wasix_call_dynamic(1000000, NULL, 0, NULL, 0, 0) == EINVAL);
  CHECK(wasix_call_dynamic(0, NULL, 0, NULL, 0, 0) == EINVAL);

  uint8_t parameters[4], results[4];
  wasix_reflection reflection;
  CHECK(wasix_reflect_signature(function, parameters, 4, results, 4, &reflection) == 0);
  CHECK(reflection.parameters == 2 && reflection.results == 1 && reflection.cacheable == 1);
  CHECK(parameters[0] == WASIX_I32 && parameters[1] == WASIX_F64 && results[0] == WASIX_F64);
  CHECK(wasix_reflect_signature(function, parameters, 1, results, 4, &reflection) == EOVERFLOW);
}

static void closures(void) {
  const uint8_t parameters[] = {WASIX_I64, WASIX_F32}, results[] = {WASIX_F64};
  uintptr_t first = 0, second = 0, third = 0;
  int environments[] = {100, 1000};
  CHECK(wasix_closure_allocate(&first) == 0 && wasix_closure_allocate(&second) == 0);
  CHECK(wasix_closure_prepare(sum, first, parameters, 2, results, 1, &environments[0]) == 0);
  CHECK(wasix_closure_prepare(sum, second, parameters, 2, results, 1, &environments[1]) == 0);
  double (*one)(int64_t, float) = (double (*)(int64_t, float))first;
  double (*two)(int64_t, float) = (double (*)(int64_t, float))second;
  CHECK(one(7, 0.5F) == 107.5 && two(7, 0.5F) == 1007.5);
  environments[0] = 5;
  CHECK(one(-1, 0.0F) == 4.0);
  CHECK(wasix_closure_prepare(sum, first, parameters, 2, results, 1, &environments[1]) == 0);
  CHECK(one(0, 0.0F) == 1000.0);
  CHECK(wasix_closure_free(first) == 0 && wasix_closure_free(first) == EINVAL);
  CHECK(wasix_closure_allocate(&third) == 0 && third == first);
  for (int round = 0; round < 3000; round++) { /* closures that are freed leave nothing behind */
    CHECK(wasix_closure_prepare(sum, third, parameters, 2, results, 1, &environments[0]) == 0);
    CHECK(wasix_closure_free(third) == 0 && wasix_closure_allocate(&third) == 0);
  }
  CHECK(wasix_closure_prepare(sum, (uintptr_t)&scale, parameters, 2, results, 1, NULL) == EINVAL);
  CHECK(wasix_closure_prepare(sum, third, (const uint8_t*)"\x09", 1, results, 1, NULL) == EINVAL);
}

int main(int argc, char** argv) {
  if (argc > 2) {
    folder = argv[2];
  }
  const char* name = argc > 1 ? argv[1] : "";
  strcmp(name, "load") == 0       ? load()
  : strcmp(name, "needs") == 0    ? needs()
  : strcmp(name, "errors") == 0   ? errors()
  : strcmp(name, "calls") == 0    ? calls()
  : strcmp(name, "closures") == 0 ? closures()
                                  : (void)CHECK(!"a known case");
  puts("ok");
  return 0;
}
