#include "engine/internal/native_error.h"

#include <string>
#include <utility>

#include "engine/internal/native_text.h"

namespace selvedge::engine {

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
