#pragma once

// Frames the content of one HTTP/1 message that we send (RFC 9112 section 6), and refuses content
// whose length is not what the head promised. Shared by the writers of requests and responses.

#include <array>
#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "wire/content_frame.h"

namespace selvedge::wire::internal {

// One thread. Reused for message after message.
class ContentFramer {
 public:
  enum class Framing : std::uint8_t {
    kNone,  // content is counted and dropped
    kFixed,
    kChunked,
    kUntilClose,
  };

  // `length`: of kFixed.
  void start(Framing framing, std::uint64_t length = 0) noexcept {
    framing_ = framing;
    remaining_ = length;
  }
  Framing framing() const noexcept { return framing_; }

  // kInvalid when it is longer than was promised: nothing of the piece may be sent.
  Result<ContentFrame> frame(base::ByteSpan data);
  // The bytes that end the message. kInvalid when content is missing.
  Result<std::string_view> finish() const;

 private:
  std::array<char, 20> chunk_prefix_{};
  std::uint64_t remaining_ = 0;  // of kFixed
  Framing framing_ = Framing::kNone;
};

}  // namespace selvedge::wire::internal
