#pragma once

// Secrets of apps: environment variables that lie sealed in the store, under a key that only nodes
// of the cluster have. Names are readable for whoever administers the node, values for the app
// alone: no function but get() hands one out, and no error holds one.
//
// All functions block: on helper threads, any number at once. Errors of the store pass through.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/environment.h"
#include "base/random.h"
#include "base/result.h"
#include "crypto/secret_key.h"
#include "store/store.h"

namespace selvedge::app {

inline constexpr std::size_t kSecretsMax = 256;  // of one app
inline constexpr std::size_t kSecretNameBytesMax = 256;
inline constexpr std::size_t kSecretValueBytesMax = std::size_t{64} << 10;
inline constexpr std::size_t kSecretsBytesMax = std::size_t{512} << 10;  // of one app, as JSON

// Invalid: a sentence that names the variable, never its value.
Result<> check_secret(const std::string& name, const std::string& value);

class AppSecrets {
 public:
  // Both outlive this; `random` may be used on any thread, and is fit for secrets. Without a
  // cluster secret every function is kDenied for an app that has secrets, or is to get some.
  AppSecrets(store::Store& store [[clang::lifetimebound]],
             base::Random& random [[clang::lifetimebound]],
             std::optional<crypto::SecretKey> cluster_secret);

  struct Secrets {
    Environment environment;  // by name
    std::string revision;     // differs after each change; empty: there are none
  };
  Result<Secrets> get(const std::string& app);
  // Adds or replaces. Invalid.
  Result<> set(const std::string& app, const Environment& secrets);
  // kNotFound.
  Result<> remove(const std::string& app, const std::string& name);
  // Of an app that is taken away.
  Result<> remove_all(const std::string& app);

 private:
  // nullopt: there are none.
  Result<std::optional<store::Object>> find(const std::string& app);
  Result<Environment> open(const std::string& app, const store::Object& object) const;
  // Applies `change` to what there is until nobody else changed it meanwhile.
  template <class Change>
  Result<> modify(const std::string& app, Change change);

  store::Store& store_;
  base::Random& random_;
  std::optional<crypto::SecretKey> key_;
};

}  // namespace selvedge::app
