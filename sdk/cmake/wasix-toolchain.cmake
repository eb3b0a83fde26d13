# For CMake: builds C and C++ programs to WebAssembly that Selvedge runs.
#
#   cmake -S . -B build -DCMAKE_TOOLCHAIN_FILE=.../sdk/cmake/wasix-toolchain.cmake
#
# The tools are Debian's clang, wasm-ld and wasi-libc (packages clang-22, lld-22, wasi-libc, libclang-rt-22-dev-wasm32).
# Programs are named NAME.wasm and find wasix.h. There is no C++ standard library: C++ programs use C's, without
# new, exceptions and run-time type information. WASIX_CLANG chooses another version of clang.
set(CMAKE_SYSTEM_NAME WASI)
set(CMAKE_SYSTEM_PROCESSOR wasm32)
# CMake 3.25 has no files for a system of this name: Platform/WASI.cmake is ours.
list(APPEND CMAKE_MODULE_PATH "${CMAKE_CURRENT_LIST_DIR}")

set(WASIX_CLANG "22" CACHE STRING "Version of Debian's clang")
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES WASIX_CLANG)
set(CMAKE_C_COMPILER "clang-${WASIX_CLANG}")
set(CMAKE_CXX_COMPILER "clang++-${WASIX_CLANG}")
set(CMAKE_AR "llvm-ar-${WASIX_CLANG}" CACHE FILEPATH "Archiver")
set(CMAKE_RANLIB "llvm-ranlib-${WASIX_CLANG}" CACHE FILEPATH "Indexer of archives")
# Debian's wasi-libc is filed under this name, which clang 22 calls deprecated.
set(CMAKE_C_COMPILER_TARGET wasm32-wasi)
set(CMAKE_CXX_COMPILER_TARGET wasm32-wasi)
get_filename_component(wasix_include "${CMAKE_CURRENT_LIST_DIR}/../include" ABSOLUTE)
set(CMAKE_C_FLAGS_INIT "-Wno-deprecated -isystem \"${wasix_include}\"")
set(CMAKE_CXX_FLAGS_INIT "${CMAKE_C_FLAGS_INIT} -fno-exceptions -fno-rtti")
set(CMAKE_EXE_LINKER_FLAGS_INIT "-Wno-deprecated -Wno-unused-command-line-argument -nostdlib++")

# What is installed on this machine is not for programs: only tools are looked for here.
set(CMAKE_FIND_ROOT_PATH "${CMAKE_CURRENT_LIST_DIR}/..")
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
