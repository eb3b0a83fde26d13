#include "app/app_secrets.h"

#include <nlohmann/json.hpp>

#include <algorithm>

#include "app/app_records.h"
#include "app/json_reader.h"
#include "base/bytes.h"
#include "base/format.h"
#include "base/utf8.h"
#include "crypto/blake3.h"
#include "crypto/sealed_bytes.h"

namespace selvedge::app {
namespace {

using store::Key;
using store::Precondition;

constexpr std::string_view kPurpose = "selvedge 2026-11 secrets of apps";
constexpr int kAttemptsMax = 16;
constexpr std::size_t kSealedBytesMax = kSecretsBytesMax + crypto::kSealOverheadBytes;

// A folder of its own for each app: that it is empty is something a node can know without the
// store.
Result<Key> folder_of(std::string_view app) { return Key::parse(fmt::format("secrets/{}", app)); }
Result<Key> key_of(std::string_view app) {
  return Key::parse(fmt::format("secrets/{}/sealed", app));
}

bool is_name(std::string_view text) {
  const auto letter = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
  };
  return !text.empty() && text.size() <= kSecretNameBytesMax && letter(text.front()) &&
         std::ranges::all_of(text, [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

std::unexpected<Error> no_key(std::string_view app) {
  return fail_format(ErrorKind::kDenied,
                     "secrets of {} need the cluster's secret, which this node does not have: make "
                     "one with `selvedge cluster init`, or give it the file of the other nodes "
                     "with --cluster-secret",
                     app);
}

std::string to_text(const Environment& environment) {
  nlohmann::json entries = nlohmann::json::array();
  for (const auto& [name, value] : environment) {
    // Values may be any bytes.
    entries.push_back(
        {name, nlohmann::json::binary(std::vector<std::uint8_t>(value.begin(), value.end()))});
  }
  const std::vector<std::uint8_t> bytes = nlohmann::json::to_cbor(entries);
  return {bytes.begin(), bytes.end()};
}

Result<Environment> parse_text(base::ByteSpan text) {
  const auto malformed = [] {
    return fail(ErrorKind::kInternal, "the sealed secrets are malformed");
  };
  const std::string_view view = base::as_text(text);
  const auto entries = nlohmann::json::from_cbor(view.begin(), view.end(), true, false);
  if (!entries.is_array() || entries.size() > kSecretsMax) {
    return malformed();
  }
  Environment made;
  for (const auto& entry : entries) {
    if (!entry.is_array() || entry.size() != 2 || !entry[0].is_string() || !entry[1].is_binary()) {
      return malformed();
    }
    const auto& value = entry[1].get_binary();
    made.emplace_back(entry[0].get<std::string>(), std::string(value.begin(), value.end()));
  }
  return made;
}

}  // namespace

Result<> check_secret(const std::string& name, const std::string& value) {
  if (!is_name(name)) {
    return fail_format(ErrorKind::kInvalid,
                       "\"{}\" is not the name of a secret: letters, digits and _, at most {}, and "
                       "no digit first",
                       name.substr(0, kSecretNameBytesMax), kSecretNameBytesMax);
  }
  if (value.size() > kSecretValueBytesMax) {
    return fail_format(ErrorKind::kInvalid, "the secret {} is longer than {} KiB", name,
                       kSecretValueBytesMax / 1024);
  }
  if (value.find('\0') != std::string::npos || !base::is_utf8(value)) {
    return fail_format(ErrorKind::kInvalid,
                       "the secret {} must be UTF-8 text without NUL; encode other bytes, for "
                       "example as base64",
                       name);
  }
  return {};
}

AppSecrets::AppSecrets(store::Store& store, base::Random& random,
                       std::optional<crypto::SecretKey> cluster_secret)
    : store_(store), random_(random) {
  if (cluster_secret.has_value()) {
    key_.emplace(crypto::derive_key_blake3(kPurpose, cluster_secret->bytes()));
  }
}

Result<std::optional<store::Object>> AppSecrets::find(const std::string& app) {
  SELVEDGE_TRY(Key folder, folder_of(app));
  SELVEDGE_TRY(const auto page, store_.list({.folder = std::move(folder)}));
  if (page.entries.empty()) {
    return std::optional<store::Object>();
  }
  SELVEDGE_TRY(const Key key, key_of(app));
  auto object = store_.get(key, kSealedBytesMax);
  if (!object.has_value()) {
    if (object.error().kind() == ErrorKind::kNotFound) {
      return std::optional<store::Object>();
    }
    return fail(std::move(object).error());
  }
  return std::optional(*std::move(object));
}

Result<Environment> AppSecrets::open(const std::string& app, const store::Object& object) const {
  if (!key_.has_value()) {
    return no_key(app);
  }
  const auto plain = crypto::open_sealed(*key_, base::as_bytes(app), object.bytes);
  if (!plain.has_value()) {
    return fail_format(ErrorKind::kDenied,
                       "the secrets of {} do not open with this node's cluster secret: nodes that "
                       "share a store need the same file",
                       app);
  }
  return parse_text(*plain);
}

Result<AppSecrets::Secrets> AppSecrets::get(const std::string& app) {
  SELVEDGE_TRY(const auto found, find(app));
  if (!found.has_value()) {
    return Secrets{};
  }
  SELVEDGE_TRY(auto environment, open(app, *found));
  return Secrets{.environment = std::move(environment), .revision = found->revision.text()};
}

template <class Change>
Result<> AppSecrets::modify(const std::string& app, Change change) {
  if (!key_.has_value()) {
    return no_key(app);
  }
  SELVEDGE_TRY(const Key key, key_of(app));
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    SELVEDGE_TRY(const auto found, find(app));
    Environment environment;
    if (found.has_value()) {
      SELVEDGE_TRY(environment, open(app, *found));
    }
    SELVEDGE_TRY_VOID(change(environment));
    std::ranges::sort(environment);
    const std::string plain = to_text(environment);
    if (environment.size() > kSecretsMax || plain.size() > kSecretsBytesMax) {
      return fail_format(ErrorKind::kInvalid, "{} would have more than {} secrets, or {} KiB", app,
                         kSecretsMax, kSecretsBytesMax / 1024);
    }
    const auto sealed = crypto::seal(*key_, random_, base::as_bytes(app), base::as_bytes(plain));
    const auto written = store_.put(
        key, sealed,
        found.has_value() ? Precondition::matches(found->revision) : Precondition::absent());
    if (written.has_value()) {
      return {};
    }
    if (written.error().kind() != ErrorKind::kConflict) {
      return fail(written.error().clone());
    }
  }
  return fail_format(ErrorKind::kOverloaded,
                     "the secrets of {} are being changed by too many at once; try again", app);
}

Result<> AppSecrets::set(const std::string& app, const Environment& secrets) {
  for (const auto& [name, value] : secrets) {
    SELVEDGE_TRY_VOID(check_secret(name, value));
  }
  return modify(app, [&secrets](Environment& environment) -> Result<> {
    environment = merge_environments(environment, secrets);
    return {};
  });
}

Result<> AppSecrets::remove(const std::string& app, const std::string& name) {
  return modify(app, [&](Environment& environment) -> Result<> {
    const auto removed =
        std::erase_if(environment, [&](const auto& entry) { return entry.first == name; });
    return removed > 0 ? Result<>()
                       : fail_format(ErrorKind::kNotFound, "{} has no secret {}", app, name);
  });
}

Result<> AppSecrets::remove_all(const std::string& app) {
  SELVEDGE_TRY(const Key key, key_of(app));
  return store_.remove(key, Precondition::any());
}

}  // namespace selvedge::app
