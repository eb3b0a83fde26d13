# selvedge_guest(NAME source.c... [OPTIONS flag...] [LINK_OPTIONS flag...] [ASYNCIFY])
#
# Builds a C program to WebAssembly: ${SELVEDGE_GUESTS_DIR}/NAME.wasm, part of the target selvedge_guests. The tools are
# Debian's clang, wasm-ld and wasi-libc, which clang finds by the target name alone (packages clang-22, lld-22,
# wasi-libc, libclang-rt-22-dev-wasm32). Debian's wasi-libc is filed under wasm32-wasi, a name that clang 22 calls
# deprecated; wasm32-wasip1 finds no headers.
#
# ASYNCIFY: wasm-opt (Debian's binaryen) makes it one that can fork.
#
# selvedge_guest_library(NAME source.c... [OPTIONS flag...] [LINK_OPTIONS flag...]) builds a library that guests load at run
# time, without a C library of its own: NAME.so beside them.
#
# selvedge_guest_text(NAME source.wat) copies a WebAssembly text file beside them as NAME.wat.
set(SELVEDGE_GUESTS_DIR "${PROJECT_BINARY_DIR}/guests" CACHE PATH "Where test guests are built")
set(SELVEDGE_GUEST_COMPILER "clang-22" CACHE STRING "C compiler for guests")
set(SELVEDGE_GUEST_OPTIMIZER "wasm-opt" CACHE STRING "Binaryen's optimizer, for guests that fork")

if(NOT TARGET selvedge_guests)
  add_custom_target(selvedge_guests ALL)
endif()

function(selvedge_guest name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "ASYNCIFY" "" "OPTIONS;LINK_OPTIONS")
  set(output "${SELVEDGE_GUESTS_DIR}/${name}.wasm")
  set(asyncify "")
  if(arg_ASYNCIFY)
    set(asyncify COMMAND "${SELVEDGE_GUEST_OPTIMIZER}" -O1 --asyncify "${output}" -o "${output}")
  endif()
  set(sources "")
  foreach(source IN LISTS arg_UNPARSED_ARGUMENTS)
    get_filename_component(source "${source}" ABSOLUTE BASE_DIR "${CMAKE_CURRENT_SOURCE_DIR}")
    list(APPEND sources "${source}")
  endforeach()
  add_custom_command(
    OUTPUT "${output}"
    COMMAND "${CMAKE_COMMAND}" -E make_directory "${SELVEDGE_GUESTS_DIR}"
    COMMAND "${SELVEDGE_GUEST_COMPILER}" --target=wasm32-wasi -Wno-deprecated -std=c17 -O2 -Wall -Wextra -Werror
            ${arg_OPTIONS} ${sources} ${arg_LINK_OPTIONS} -o "${output}"
    ${asyncify}
    DEPENDS ${sources}
    COMMENT "Guest ${name}.wasm"
    VERBATIM)
  add_custom_target(selvedge_guest_${name} DEPENDS "${output}")
  add_dependencies(selvedge_guests selvedge_guest_${name})
endfunction()

function(selvedge_guest_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "OPTIONS;LINK_OPTIONS")
  set(output "${SELVEDGE_GUESTS_DIR}/${name}.so")
  set(sources "")
  foreach(source IN LISTS arg_UNPARSED_ARGUMENTS)
    get_filename_component(source "${source}" ABSOLUTE BASE_DIR "${CMAKE_CURRENT_SOURCE_DIR}")
    list(APPEND sources "${source}")
  endforeach()
  add_custom_command(
    OUTPUT "${output}"
    COMMAND "${CMAKE_COMMAND}" -E make_directory "${SELVEDGE_GUESTS_DIR}"
    COMMAND "${SELVEDGE_GUEST_COMPILER}" --target=wasm32-wasi -Wno-deprecated -std=c17 -O2 -Wall -Wextra -Werror
            -fPIC -fvisibility=default ${arg_OPTIONS} ${sources} -nostdlib
            -Wl,-shared,--experimental-pic,--unresolved-symbols=import-dynamic ${arg_LINK_OPTIONS} -o "${output}"
    DEPENDS ${sources}
    COMMENT "Guest library ${name}.so"
    VERBATIM)
  add_custom_target(selvedge_guest_${name} DEPENDS "${output}")
  add_dependencies(selvedge_guests selvedge_guest_${name})
endfunction()

function(selvedge_guest_text name source)
  set(output "${SELVEDGE_GUESTS_DIR}/${name}.wat")
  get_filename_component(source "${source}" ABSOLUTE BASE_DIR "${CMAKE_CURRENT_SOURCE_DIR}")
  add_custom_command(
    OUTPUT "${output}"
    COMMAND "${CMAKE_COMMAND}" -E make_directory "${SELVEDGE_GUESTS_DIR}"
    COMMAND "${CMAKE_COMMAND}" -E copy "${source}" "${output}"
    DEPENDS "${source}"
    VERBATIM)
  add_custom_target(selvedge_guest_${name} DEPENDS "${output}")
  add_dependencies(selvedge_guests selvedge_guest_${name})
endfunction()
