# The C++ dialect, warnings and hardening that every target of the project shares.
if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang" OR CMAKE_CXX_COMPILER_VERSION VERSION_LESS 22)
  message(FATAL_ERROR "Selvedge needs clang 22 or newer (g++ 12 miscompiles our coroutines). "
                      "Run ./dev setup and use a preset: cmake --preset release")
endif()

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

set(SELVEDGE_SANITIZER "" CACHE STRING "Sanitizers for our code: empty, 'address,undefined' or 'thread'")
option(SELVEDGE_FUZZ "Build the libFuzzer targets" OFF)
option(SELVEDGE_COVERAGE "Instrument for llvm-cov" OFF)

add_library(selvedge_flags INTERFACE)
target_compile_features(selvedge_flags INTERFACE cxx_std_23)
target_include_directories(selvedge_flags INTERFACE "${PROJECT_SOURCE_DIR}/src")
# Google Benchmark's BENCHMARK() uses __COUNTER__, which clang 22 calls an extension: -Wno-c2y-extensions.
target_compile_options(selvedge_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror -Wno-c2y-extensions
  -fno-omit-frame-pointer)
target_link_options(selvedge_flags INTERFACE -fuse-ld=lld-22)

if(CMAKE_BUILD_TYPE STREQUAL "Release" OR CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo")
  target_compile_options(selvedge_flags INTERFACE
    -fstack-protector-strong -ftrivial-auto-var-init=zero -D_GLIBCXX_ASSERTIONS)
  if(NOT SELVEDGE_SANITIZER)
    target_compile_options(selvedge_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
  endif()
  target_link_options(selvedge_flags INTERFACE -Wl,-z,relro,-z,now)
else()
  target_compile_definitions(selvedge_flags INTERFACE SELVEDGE_DEBUG=1)
endif()

if(SELVEDGE_SANITIZER)
  target_compile_options(selvedge_flags INTERFACE
    -fsanitize=${SELVEDGE_SANITIZER} -fno-sanitize-recover=all)
  target_link_options(selvedge_flags INTERFACE -fsanitize=${SELVEDGE_SANITIZER})
endif()
if(SELVEDGE_FUZZ)
  target_compile_options(selvedge_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(SELVEDGE_COVERAGE)
  target_compile_options(selvedge_flags INTERFACE -fprofile-instr-generate -fcoverage-mapping)
  target_link_options(selvedge_flags INTERFACE -fprofile-instr-generate)
endif()
