#include "engine/internal/native_error.h"

#include <string>
#include <string_view>

namespace selvedge::engine {

Result<> take_native_error(native::NativeError* error) {
  if (error == nullptr) {
    return {};
  }
  const native::Bytes text = native::selvedge_error_message(error);
  const auto kind =
      static_cast<ErrorKind>(static_cast<unsigned char>(native::selvedge_error_kind(error)));
  std::string message(std::string_view(reinterpret_cast<const char*>(text.data), text.size));
  native::selvedge_error_free(error);
  return fail(kind, std::move(message));
}

}  // namespace selvedge::engine
