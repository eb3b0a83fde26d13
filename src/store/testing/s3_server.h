#pragma once

// A real S3 server (versitygw) for tests: a process of its own over a temporary folder, on
// loopback.

#include <sys/types.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "store/s3_credentials.h"
#include "store/testing/store_world.h"

namespace selvedge::store::testing {

class S3Server {
 public:
  // Where the program is: $SELVEDGE_S3_SERVER, which CMake sets to what ./dev setup has installed.
  // nullptr when it is not there.
  static std::unique_ptr<S3Server> start();
  // The same over TLS, with a certificate that only certificate() vouches for.
  static std::unique_ptr<S3Server> start_tls();
  ~S3Server();
  S3Server(const S3Server&) = delete;
  S3Server& operator=(const S3Server&) = delete;

  // Ends the process; the contents stay.
  void stop();
  // Starts it again at the same address.
  void start_again();

  std::string make_bucket();
  // Where the objects of a bucket are files.
  std::filesystem::path folder_of(const std::string& bucket) const;
  const std::string& endpoint() const noexcept { return endpoint_; }
  // bucket.localhost is served as bucket: virtual-host addressing.
  std::string virtual_host_endpoint() const;
  int port() const noexcept { return port_; }
  std::filesystem::path certificate() const { return folder_.path() / "certificate.pem"; }
  static S3Credentials credentials();

 private:
  S3Server(std::string program, int port, bool tls);
  static std::unique_ptr<S3Server> start_any(bool tls);
  bool spawn();

  TemporaryFolder folder_;
  std::string program_;
  int port_;
  bool tls_;
  std::string endpoint_;
  int buckets_ = 0;
  pid_t process_ = -1;
};

}  // namespace selvedge::store::testing
