#include "engine/internal/native_error.h"

#include <string>
#include <utility>

#include "engine/internal/native_text.h"

namespace selvedge::engine {
namespace {

// native/src/error.rs numbers its kinds as ErrorKind does; a number that is none of ours would be
// taken for another kind.
constexpr bool same(native::NativeErrorKind theirs, ErrorKind ours) {
  return static_cast<unsigned char>(theirs) == static_cast<unsigned char>(ours);
}
static_assert(same(native::NativeErrorKind::Invalid, ErrorKind::kInvalid));
static_assert(same(native::NativeErrorKind::NotFound, ErrorKind::kNotFound));
static_assert(same(native::NativeErrorKind::Denied, ErrorKind::kDenied));
static_assert(same(native::NativeErrorKind::Overloaded, ErrorKind::kOverloaded));
static_assert(same(native::NativeErrorKind::Unsupported, ErrorKind::kUnsupported));
static_assert(same(native::NativeErrorKind::Internal, ErrorKind::kInternal));

}  // namespace

Result<> take_native_error(native::NativeError* error) {
  if (error == nullptr) {
    return {};
  }
  const auto kind =
      static_cast<ErrorKind>(static_cast<unsigned char>(native::selvedge_error_kind(error)));
  std::string message(text_of(native::selvedge_error_message(error)));
  native::selvedge_error_free(error);
  return fail(kind, std::move(message));
}

}  // namespace selvedge::engine
