#pragma once

// Errors as values. Everything that a peer, a guest, a file or a user can cause is returned as
// Result<T>; our code never throws. An Error says what the caller should do (its kind), what went
// wrong in one sentence, and where it began.
//
//   Result<Config> load(const Path& path) {
//     SELVEDGE_TRY(auto text, read_file(path, kConfigBytesMax));   // returns the error to our
//     caller
//     ...
//     return Error(ErrorKind::kInvalid, "the port is not a number");
//   }
//
// In coroutines (io::Task) use SELVEDGE_CO_TRY / SELVEDGE_CO_TRY_VOID with `co_await` in the
// expression.

#include <expected>
#include <memory>
#include <source_location>
#include <string>
#include <string_view>
#include <utility>

namespace selvedge {

// What the caller should do about it.
enum class ErrorKind : unsigned char {
  kInvalid,       // the input is wrong: report it, do not retry
  kNotFound,      // the named thing does not exist
  kDenied,        // policy or permissions forbid it
  kOverloaded,    // a limit is reached: retry later or elsewhere
  kDisconnected,  // the peer or the resource went away: reconnect
  kTimeout,       // the deadline passed
  kUnsupported,   // valid, but not something we do
  kInternal,      // our fault or the environment's: log it
  kConflict,      // someone else changed it meanwhile: read it again, then decide anew
};

std::string_view to_string(ErrorKind kind) noexcept;

// Move-only; one pointer wide. A moved-from Error may only be destroyed or assigned.
class [[nodiscard]] Error {
 public:
  // `message`: one sentence without a final full stop, for the user: what is wrong and, where it
  // helps, what to do.
  Error(ErrorKind kind, std::string message,
        std::source_location location = std::source_location::current());

  Error(Error&&) noexcept = default;
  Error& operator=(Error&&) noexcept = default;

  ErrorKind kind() const noexcept { return rep_->kind; }
  // The whole sentence: contexts, outermost first, then the message, joined by ": ".
  const std::string& message() const noexcept [[clang::lifetimebound]] { return rep_->message; }
  const std::source_location& location() const noexcept [[clang::lifetimebound]] {
    return rep_->location;
  }

  // Puts "context: " in front of the message, e.g. the file being read. Returns the same error.
  Error with_context(std::string_view context) &&;
  // An equal error, for the rare place where one failure has several waiters.
  Error clone() const;

 private:
  struct Rep {
    ErrorKind kind;
    std::string message;
    std::source_location location;
  };
  std::unique_ptr<Rep> rep_;
};

template <class T = void>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(Error error) { return std::unexpected<Error>(std::move(error)); }
inline std::unexpected<Error> fail(
    ErrorKind kind, std::string message,
    std::source_location location = std::source_location::current()) {
  return std::unexpected<Error>(Error(kind, std::move(message), location));
}

}  // namespace selvedge

#define SELVEDGE_CONCAT_INNER(a, b) a##b
#define SELVEDGE_CONCAT(a, b) SELVEDGE_CONCAT_INNER(a, b)

#define SELVEDGE_TRY_WITH(result, return_keyword, declaration, ...) \
  auto result = (__VA_ARGS__);                                      \
  if (!result.has_value()) [[unlikely]] {                           \
    return_keyword ::selvedge::fail(std::move(result).error());     \
  }                                                                 \
  declaration = *std::move(result)

#define SELVEDGE_TRY_VOID_WITH(return_keyword, ...)                        \
  do {                                                                     \
    auto selvedge_result = (__VA_ARGS__);                                  \
    if (!selvedge_result.has_value()) [[unlikely]] {                       \
      return_keyword ::selvedge::fail(std::move(selvedge_result).error()); \
    }                                                                      \
  } while (false)

// SELVEDGE_TRY(auto value, expression): on success declares `value`, else returns the error.
#define SELVEDGE_TRY(declaration, ...) \
  SELVEDGE_TRY_WITH(SELVEDGE_CONCAT(selvedge_result_, __LINE__), return, declaration, __VA_ARGS__)
#define SELVEDGE_TRY_VOID(...) SELVEDGE_TRY_VOID_WITH(return, __VA_ARGS__)
#define SELVEDGE_CO_TRY(declaration, ...)                                                \
  SELVEDGE_TRY_WITH(SELVEDGE_CONCAT(selvedge_result_, __LINE__), co_return, declaration, \
                    __VA_ARGS__)
#define SELVEDGE_CO_TRY_VOID(...) SELVEDGE_TRY_VOID_WITH(co_return, __VA_ARGS__)
