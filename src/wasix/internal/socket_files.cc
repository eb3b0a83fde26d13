#include "wasix/internal/socket_files.h"

#include <optional>
#include <utility>

#include "wasix/guest_path.h"
#include "wasix/internal/preopen_lookup.h"
#include "wasix/loopback_network.h"
#include "wasix/process.h"

namespace selvedge::wasix::internal {

namespace {

// Where the file is; nullopt: the name is no file.
std::optional<PreopenPlace> place_of(Thread& thread, const io::SocketAddress& address) {
  if (!address.is_unix() || address.path().empty() || address.path().starts_with('@')) {
    return std::nullopt;
  }
  Process& process = thread.process();
  auto place =
      locate(process.handles(), absolute_path(process.working_directory(), address.path()));
  return place ? std::optional(*std::move(place)) : std::nullopt;
}

bool is_socket(const FileStat& stat) noexcept {
  return stat.filetype == Filetype::kSocketStream || stat.filetype == Filetype::kSocketDgram;
}

}  // namespace

Errno bind_socket(Thread& thread, Socket& socket, const io::SocketAddress& address) {
  LoopbackNetwork* const network = thread.process().network();
  const std::optional<PreopenPlace> place = place_of(thread, address);
  const bool can_be_bound =
      socket.family() == AddressFamily::kUnix && socket.local_address().path().empty();
  if (!place || network == nullptr || !can_be_bound) {
    return socket.bind(address);
  }
  if (!has_all(place->rights_base, Rights::kPathCreateFile)) {
    return Errno::kAcces;
  }
  const auto file =
      place->rest.empty() ? refuse(Errno::kExist) : place->directory->make_socket(place->rest);
  if (!file) {
    return file.error() == Errno::kExist ? Errno::kAddrinuse : file.error();
  }
  const Errno error =
      network->bind_file(socket, address, {.device = file->dev, .number = file->ino});
  if (error != Errno::kSuccess) {
    static_cast<void>(place->directory->unlink(place->rest));
  }
  return error;
}

ErrnoResult<io::SocketAddress> socket_at(Thread& thread, io::SocketAddress address) {
  const LoopbackNetwork* const network = thread.process().network();
  const std::optional<PreopenPlace> place = place_of(thread, address);
  if (!place || network == nullptr) {
    return address;
  }
  if (!has_all(place->rights_base, Rights::kPathFilestatGet)) {
    return refuse(Errno::kAcces);
  }
  SELVEDGE_TRY_ERRNO(const FileStat file,
                     place->directory->stat(place->rest.empty() ? "." : place->rest, Follow::kYes));
  if (!is_socket(file)) {
    return refuse(Errno::kConnrefused);
  }
  return network->find_file({.device = file.dev, .number = file.ino});
}

}  // namespace selvedge::wasix::internal
