#include "wasix/internal/loopback_state.h"

#include "wasix/loopback_network.h"

namespace selvedge::wasix::internal {

SocketSlot::~SocketSlot() {
  if (state_ != nullptr) {
    --state_->sockets_;
  }
}

LoopbackState::LoopbackState(io::Reactor& reactor_of_shard, std::shared_ptr<EgressNetwork> way_out)
    : reactor(reactor_of_shard),
      egress(std::move(way_out)),
      budget(LoopbackNetwork::kBufferedBytesMax),
      listening(reactor_of_shard) {}

std::optional<SocketSlot> LoopbackState::take_slot() {
  if (sockets_ >= LoopbackNetwork::kSocketsMax) {
    return std::nullopt;
  }
  ++sockets_;
  return SocketSlot(shared_from_this());
}

void LoopbackState::listener_began() noexcept {
  ++listeners_;
  listening.set();
}

void LoopbackState::listener_ended() noexcept {
  --listeners_;
  if (listeners_ == 0) {
    listening.reset();
  }
}

ErrnoResult<std::unique_ptr<UnixName>> UnixName::bind(std::shared_ptr<LoopbackState> state,
                                                      SockType type, std::string path) {
  if (state->unix_names.contains(path)) {
    return refuse(Errno::kAddrinuse);
  }
  return std::make_unique<UnixName>(std::move(state), type, std::move(path));
}

ErrnoResult<UnixName*> UnixName::find(const LoopbackState& state, SockType type,
                                      const std::string& path) {
  const auto found = state.unix_names.find(path);
  if (found == state.unix_names.end()) {
    return refuse(path.starts_with('@') ? Errno::kConnrefused : Errno::kNoent);
  }
  if (found->second->type_ != type) {
    return refuse(Errno::kPrototype);
  }
  return found->second;
}

UnixName::UnixName(std::shared_ptr<LoopbackState> state, SockType type, std::string path)
    : state_(std::move(state)), type_(type), path_(std::move(path)), way_(path_) {
  state_->unix_names.emplace(way_, this);
}

UnixName::~UnixName() {
  state_->unix_names.erase(way_);
  if (file_) {
    const auto found = state_->unix_files.find(*file_);
    if (found != state_->unix_files.end() && found->second == this) {
      state_->unix_files.erase(found);
    }
  }
}

void UnixName::set_file(SocketFile file) {
  file_ = file;
  state_->unix_files.insert_or_assign(file, this);
}

// No guest can say the new text: where paths are files, find() gets what find_file() has given.
void UnixName::leave_text() {
  state_->unix_names.erase(way_);
  way_ = '\x01' + std::to_string(state_->texts_left_++);
  state_->unix_names.emplace(way_, this);
}

io::SocketAddress UnixName::way() const {
  return io::SocketAddress::unix_path(way_).value_or(io::SocketAddress());
}

// The path came out of an address, so it makes one.
io::SocketAddress UnixName::address() const {
  return io::SocketAddress::unix_path(path_).value_or(io::SocketAddress());
}

}  // namespace selvedge::wasix::internal
