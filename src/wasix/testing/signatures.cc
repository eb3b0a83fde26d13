#include "wasix/testing/signatures.h"

#include <array>

#include "base/format.h"

namespace selvedge::wasix::testing {

namespace {

constexpr std::array<ImportSignature, 46> kPreview1{{
    {.name = "sock_accept", .parameters = "iii"},  // not in snapshot 0
    {.name = "args_get", .parameters = "ii"},
    {.name = "args_sizes_get", .parameters = "ii"},
    {.name = "environ_get", .parameters = "ii"},
    {.name = "environ_sizes_get", .parameters = "ii"},
    {.name = "clock_res_get", .parameters = "ii"},
    {.name = "clock_time_get", .parameters = "iIi"},
    {.name = "fd_advise", .parameters = "iIIi"},
    {.name = "fd_allocate", .parameters = "iII"},
    {.name = "fd_close", .parameters = "i"},
    {.name = "fd_datasync", .parameters = "i"},
    {.name = "fd_fdstat_get", .parameters = "ii"},
    {.name = "fd_fdstat_set_flags", .parameters = "ii"},
    {.name = "fd_fdstat_set_rights", .parameters = "iII"},
    {.name = "fd_filestat_get", .parameters = "ii"},
    {.name = "fd_filestat_set_size", .parameters = "iI"},
    {.name = "fd_filestat_set_times", .parameters = "iIIi"},
    {.name = "fd_pread", .parameters = "iiiIi"},
    {.name = "fd_prestat_get", .parameters = "ii"},
    {.name = "fd_prestat_dir_name", .parameters = "iii"},
    {.name = "fd_pwrite", .parameters = "iiiIi"},
    {.name = "fd_read", .parameters = "iiii"},
    {.name = "fd_readdir", .parameters = "iiiIi"},
    {.name = "fd_renumber", .parameters = "ii"},
    {.name = "fd_seek", .parameters = "iIii"},
    {.name = "fd_sync", .parameters = "i"},
    {.name = "fd_tell", .parameters = "ii"},
    {.name = "fd_write", .parameters = "iiii"},
    {.name = "path_create_directory", .parameters = "iii"},
    {.name = "path_filestat_get", .parameters = "iiiii"},
    {.name = "path_filestat_set_times", .parameters = "iiiiIIi"},
    {.name = "path_link", .parameters = "iiiiiii"},
    {.name = "path_open", .parameters = "iiiiiIIii"},
    {.name = "path_readlink", .parameters = "iiiiii"},
    {.name = "path_remove_directory", .parameters = "iii"},
    {.name = "path_rename", .parameters = "iiiiii"},
    {.name = "path_symlink", .parameters = "iiiii"},
    {.name = "path_unlink_file", .parameters = "iii"},
    {.name = "poll_oneoff", .parameters = "iiii"},
    {.name = "proc_exit", .parameters = "i", .has_result = false},
    {.name = "proc_raise", .parameters = "i"},
    {.name = "random_get", .parameters = "ii"},
    {.name = "sched_yield", .parameters = ""},
    {.name = "sock_recv", .parameters = "iiiiii"},
    {.name = "sock_send", .parameters = "iiiii"},
    {.name = "sock_shutdown", .parameters = "ii"},
}};

std::string_view type_of(char letter) noexcept { return letter == 'I' ? "i64" : "i32"; }

}  // namespace

std::span<const ImportSignature> preview1_imports() noexcept { return kPreview1; }

std::span<const ImportSignature> snapshot0_imports() noexcept {
  return std::span(kPreview1).subspan(1);
}

std::string trampoline_wat(std::string_view module, std::span<const ImportSignature> imports,
                           unsigned pages) {
  std::string text = "(module\n";
  for (const ImportSignature& import : imports) {
    text += fmt::format("  (import \"{}\" \"{}\" (func ${}", module, import.name, import.name);
    for (const char letter : import.parameters) {
      text += fmt::format(" (param {})", type_of(letter));
    }
    text += import.has_result ? " (result i32)))\n" : "))\n";
  }
  text += fmt::format("  (memory (export \"memory\") {})\n  (func (export \"nop\"))\n", pages);
  for (const ImportSignature& import : imports) {
    text += fmt::format("  (func (export \"{}\"){} (call ${}", import.name,
                        import.has_result ? " (result i32)" : "", import.name);
    unsigned address = 0;
    for (const char letter : import.parameters) {
      text += fmt::format(" ({}.load (i32.const {}))", type_of(letter), address);
      address += 8;
    }
    text += "))\n";
  }
  return text + ")\n";
}

}  // namespace selvedge::wasix::testing
