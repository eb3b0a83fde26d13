# The Rust static library: target selvedge_native, header <native.h>. tools/build-native keeps each built archive in the
# user's cache by the hash of its sources, so a fresh clone or another preset links the same file without a rebuild.
set(SELVEDGE_NATIVE_DIR "${PROJECT_BINARY_DIR}/native" CACHE PATH "Where libselvedge_native.a and native.h are put")
file(GLOB_RECURSE native_sources CONFIGURE_DEPENDS
  "${PROJECT_SOURCE_DIR}/native/src/*.rs" "${PROJECT_SOURCE_DIR}/native/Cargo.*"
  "${PROJECT_SOURCE_DIR}/native/build.rs" "${PROJECT_SOURCE_DIR}/native/cbindgen.toml")
add_custom_command(
  OUTPUT "${SELVEDGE_NATIVE_DIR}/libselvedge_native.a" "${SELVEDGE_NATIVE_DIR}/native.h"
  COMMAND "${PROJECT_SOURCE_DIR}/tools/build-native" "${SELVEDGE_NATIVE_DIR}"
  DEPENDS ${native_sources} "${PROJECT_SOURCE_DIR}/tools/build-native"
  COMMENT "Rust static library (first build takes minutes)"
  USES_TERMINAL VERBATIM)
add_custom_target(selvedge_native_build DEPENDS "${SELVEDGE_NATIVE_DIR}/libselvedge_native.a")
add_library(selvedge_native INTERFACE)
add_dependencies(selvedge_native selvedge_native_build)
target_include_directories(selvedge_native SYSTEM INTERFACE "${SELVEDGE_NATIVE_DIR}")
target_link_libraries(selvedge_native INTERFACE "${SELVEDGE_NATIVE_DIR}/libselvedge_native.a" pthread dl m)
