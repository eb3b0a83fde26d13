#pragma once

#include <string>
#include <string_view>

namespace selvedge::gateway::internal {

// The answer of the health route, as bytes that are ready to send; rendered again only when the
// date changes. One thread.
class HealthResponse {
 public:
  // For a keep-alive connection; `head_only` for HEAD. Good until the next call.
  std::string_view bytes(std::string_view date, bool head_only) {
    if (date != date_) {
      render(date);
    }
    return std::string_view(bytes_).substr(0, head_only ? head_size_ : bytes_.size());
  }

 private:
  void render(std::string_view date);

  std::string date_;
  std::string bytes_;
  std::size_t head_size_ = 0;
};

}  // namespace selvedge::gateway::internal
