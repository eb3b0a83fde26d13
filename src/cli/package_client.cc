#include "cli/package_client.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <utility>

#include "app/image_package.h"
#include "app/json_reader.h"
#include "app/package_records.h"
#include "app/package_signature.h"
#include "app/package_webc.h"
#include "base/format.h"
#include "base/log.h"
#include "base/system.h"
#include "cli/messages.h"
#include "cli/package_files.h"
#include "crypto/sha256.h"

namespace selvedge::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::uint64_t kKibi = 1024;
constexpr std::size_t kKeyFileBytesMax = 256;
constexpr std::size_t kWebcBytesMax = std::size_t{2} << 30;

using Blob = std::shared_ptr<const std::vector<std::byte>>;
using Blobs = std::map<std::string, Blob>;  // by hash

app::ModuleBytes bytes_of(const Blob& blob) { return {.owner = blob, .bytes = *blob}; }

// Fetches what of the image's blobs is not there yet.
Result<> fetch_blobs(AdminClient& client, const app::PackageImage& image, Blobs& blobs) {
  for (const app::BlobReference& blob : blobs_of(image)) {
    const std::string hash = blob.hash.hex();
    if (blobs.contains(hash)) {
      continue;
    }
    SELVEDGE_TRY(auto bytes, client.get_blob(blob.hash, blob.bytes));
    blobs.emplace(hash, std::make_shared<const std::vector<std::byte>>(std::move(bytes)));
  }
  return {};
}

app::FindBlob finder(const Blobs& blobs) {
  return [&blobs](const app::BlobReference& blob) -> Result<app::ModuleBytes> {
    return bytes_of(blobs.at(blob.hash.hex()));
  };
}

Result<app::PackageImage> image_in(const json& answer, const char* key) {
  return app::parse_package_image(app::json_text(answer.at(key)));
}

Result<crypto::SecretKey> read_key(const std::string& path) {
  SELVEDGE_TRY(std::string text, app::read_text_file(path, kKeyFileBytesMax));
  if (text.ends_with('\n')) {
    text.pop_back();
  }
  if (!app::is_hex(text, 2 * crypto::SecretKey::kSize)) {
    return fail_format(ErrorKind::kInvalid,
                       "{} is not a key: make one with selvedge package keygen FILE", path);
  }
  return app::parse_publisher_secret(text);
}

// Of the file that is published as it is.
Result<std::optional<std::string>> sha256_of(const std::string& target) {
  if (!target.ends_with(".webc")) {
    return std::optional<std::string>();
  }
  SELVEDGE_TRY(const std::string bytes, app::read_text_file(target, kWebcBytesMax));
  const base::ByteSpan all = base::as_bytes(bytes);
  std::string hex;
  for (const std::byte byte : crypto::sha256(std::vector{all})) {
    hex += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
  }
  return std::optional(std::move(hex));
}

Result<json> publication_of(const PackageAction& action, const app::PackageSource& package) {
  json request{{"package", json::parse(to_json(package.image), nullptr, false)}};
  SELVEDGE_TRY(const auto sha256, sha256_of(action.target));
  if (sha256.has_value()) {
    request["sha256"] = *sha256;
  } else if (!app::is_package_name(package.image.name)) {
    return fail_format(ErrorKind::kInvalid,
                       "{}: a package is published under a name: write name = \"owner/name\" and "
                       "version = \"1.0.0\" into [package] of its wasmer.toml",
                       action.target);
  }
  if (!action.key_file.empty()) {
    SELVEDGE_TRY(const auto key, read_key(action.key_file));
    const auto made =
        app::sign_package(key, package.image.name, package.image.version, identity(package.image));
    request["signature"] = {{"key", made.key}, {"signature", made.signature}};
  }
  return request;
}

std::string shown(const json& object, const char* key) {
  return log::escape(object.value(key, std::string()));
}

void print_published(const json& package) {
  const std::string name = shown(package, "name");
  fmt::print("Published {} {}\n", name.empty() ? "sha256:" + shown(package, "sha256") : name,
             shown(package, "version"));
  for (const json& dependency : package.at("dependencies")) {
    fmt::print("  with {} {}\n", shown(dependency, "name"), shown(dependency, "version"));
  }
}

void print_version(const json& version) {
  fmt::print("  {:<16} {}  {}\n", shown(version, "version"), shown(version, "image").substr(0, 12),
             version.contains("signature")
                 ? "signed by " + shown(version.at("signature"), "key").substr(0, 16)
                 : "not signed");
  for (const json& dependency : version.at("dependencies")) {
    fmt::print("    with {} {}\n", shown(dependency, "name"), shown(dependency, "version"));
  }
}

}  // namespace

Result<> upload_blobs(AdminClient& client, const app::PackageSource& package, StatusLine& status) {
  json hashes = json::array();
  for (const app::SourceBlob& blob : package.blobs) {
    hashes.push_back(blob.reference.hash.hex());
  }
  SELVEDGE_TRY(const json answer,
               client.post("/v1/blobs/missing", {{"hashes", std::move(hashes)}}));
  std::size_t sent = 0;
  for (const app::SourceBlob& blob : package.blobs) {
    const json& missing = answer["missing"];
    if (std::find(missing.begin(), missing.end(), blob.reference.hash.hex()) == missing.end()) {
      continue;
    }
    status.show(fmt::format("uploading {} KiB ({} of {})", blob.reference.bytes / kKibi, ++sent,
                            missing.size()));
    SELVEDGE_TRY_VOID(client.put_blob(blob.reference.hash, blob.bytes));
  }
  return {};
}

Result<> publish_package(const PackageAction& action) {
  SELVEDGE_TRY(const auto package, app::read_package_source(action.target));
  for (const std::string& warning : package.warnings) {
    print_warning(warning, {.json = action.output.json, .quiet = action.output.quiet});
  }
  SELVEDGE_TRY(const json request, publication_of(action, package));
  SELVEDGE_TRY(auto client, AdminClient::create(action.socket));
  json result;
  {
    StatusLine status(!action.output.json && !action.output.quiet);
    SELVEDGE_TRY_VOID(upload_blobs(client, package, status));
    SELVEDGE_TRY(result, client.post_for_lines("/v1/packages", request, [&](const json& line) {
      if (const auto step = line.find("step"); step != line.end()) {
        status.show(step->get<std::string>());
      }
    }));
  }
  if (action.output.json) {
    fmt::print("{}\n", app::json_text(result));
  } else if (!action.output.quiet) {
    print_published(result);
  }
  return {};
}

Result<> pull_package(const PackageAction& action) {
  SELVEDGE_TRY_VOID(app::parse_package_reference(action.target));
  SELVEDGE_TRY(auto client, AdminClient::create(action.socket));
  SELVEDGE_TRY(const json found, client.post("/v1/packages/find", {{"package", action.target}}));
  SELVEDGE_TRY(const auto image, image_in(found, "package"));
  Blobs blobs;
  SELVEDGE_TRY_VOID(fetch_blobs(client, image, blobs));
  SELVEDGE_TRY(const auto bytes, app::webc_of_image(image, finder(blobs)));
  const std::string path = action.output_file.empty() ? package_file_name(image.name, image.version)
                                                      : action.output_file;
  SELVEDGE_TRY_VOID(write_whole_file(path, bytes));
  if (action.output.json) {
    fmt::print("{}\n", app::json_text({{"file", path},
                                       {"name", image.name},
                                       {"version", image.version},
                                       {"bytes", bytes.size()}}));
  } else if (!action.output.quiet) {
    fmt::print("Pulled {} {} into {}\n", log::escape(image.name), log::escape(image.version), path);
  }
  return {};
}

Result<> list_packages(const PackageAction& action) {
  SELVEDGE_TRY(auto client, AdminClient::create(action.socket));
  SELVEDGE_TRY(const json answer, client.get("/v1/packages"));
  if (action.output.json) {
    fmt::print("{}\n", app::json_text(answer));
    return {};
  }
  if (answer.at("packages").empty()) {
    fmt::print("No packages yet. Publish one: selvedge package publish FOLDER\n");
  }
  for (const json& package : answer.at("packages")) {
    std::string versions;
    for (const json& version : package.at("versions")) {
      versions += (versions.empty() ? "" : ", ") + log::escape(version.get<std::string>());
    }
    fmt::print("{:<32} {}\n", shown(package, "name"), versions);
  }
  return {};
}

Result<> describe_package(const PackageAction& action) {
  if (!app::is_package_name(action.target)) {
    return fail_format(ErrorKind::kInvalid, "\"{}\" is not the name of a package: owner/name",
                       action.target);
  }
  SELVEDGE_TRY(auto client, AdminClient::create(action.socket));
  SELVEDGE_TRY(const json answer, client.get("/v1/packages/" + action.target));
  if (action.output.json) {
    fmt::print("{}\n", app::json_text(answer));
    return {};
  }
  fmt::print("{}\n", shown(answer, "name"));
  for (const json& version : answer.at("versions")) {
    print_version(version);
  }
  return {};
}

Result<> make_publisher_key(const PackageAction& action) {
  base::SystemRandom random;
  const crypto::SecretKey key = crypto::make_ed25519_key(random);
  std::string text;
  for (const std::byte byte : key.bytes()) {
    text += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
  }
  text += '\n';
  SELVEDGE_TRY_VOID(write_secret_file(action.target, base::as_bytes(text)));
  const std::string public_key = app::to_hex(crypto::ed25519_public_key(key));
  if (action.output.json) {
    fmt::print("{}\n", app::json_text({{"file", action.target}, {"public_key", public_key}}));
  } else if (!action.output.quiet) {
    fmt::print(
        "Made {}: keep it to yourself.\nNodes take what it signs with this in their "
        "configuration:\n\n[publishers]\nOWNER = [\"{}\"]\n",
        action.target, public_key);
  }
  return {};
}

Result<app::Package> fetch_package(const fs::path& socket, const std::string& reference) {
  SELVEDGE_TRY_VOID(app::parse_package_reference(reference));
  SELVEDGE_TRY(auto client, AdminClient::create(socket));
  SELVEDGE_TRY(const json found, client.post("/v1/packages/find", {{"package", reference}}));
  SELVEDGE_TRY(const auto image, image_in(found, "linked"));
  Blobs blobs;
  SELVEDGE_TRY_VOID(fetch_blobs(client, image, blobs));
  return app::package_of_image(image, finder(blobs));
}

Result<app::Package> complete_package(const fs::path& socket, const std::string& target) {
  SELVEDGE_TRY(auto source, app::read_package_source(target));
  SELVEDGE_TRY(auto client, AdminClient::create(socket));
  SELVEDGE_TRY(const json answer,
               client.post("/v1/packages/link",
                           {{"package", json::parse(to_json(source.image), nullptr, false)}}));
  SELVEDGE_TRY(const auto image, image_in(answer, "linked"));
  Blobs blobs;
  for (app::SourceBlob& blob : source.blobs) {
    blobs.emplace(blob.reference.hash.hex(),
                  std::make_shared<const std::vector<std::byte>>(std::move(blob.bytes)));
  }
  SELVEDGE_TRY_VOID(fetch_blobs(client, image, blobs));
  SELVEDGE_TRY(auto package, app::package_of_image(image, finder(blobs)));
  package.warnings = std::move(source.warnings);
  return package;
}

}  // namespace selvedge::cli
