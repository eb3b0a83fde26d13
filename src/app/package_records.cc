#include "app/package_records.h"

#include <algorithm>

#include "app/json_reader.h"
#include "base/format.h"
#include "wire/semver.h"

namespace selvedge::app {
namespace {

constexpr std::size_t kHashDigits = 64;
constexpr std::size_t kSignatureDigits = 128;

bool is_part(std::string_view text) noexcept {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !text.empty() && text.size() <= kPackageNameBytesMax && letter(text.front()) &&
         std::ranges::all_of(text,
                             [&](char c) { return letter(c) || c == '-' || c == '_' || c == '.'; });
}

Result<std::string> hex(const JsonObject& object, std::string_view key, std::size_t digits) {
  SELVEDGE_TRY(auto text, object.text(key));
  if (!is_hex(text, digits)) {
    return fail_format(ErrorKind::kInvalid, "{} must be {} small hexadecimal digits",
                       object.path_of(key), digits);
  }
  return text;
}

}  // namespace

bool is_hex(std::string_view text, std::size_t digits) noexcept {
  return text.size() == digits && std::ranges::all_of(text, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

Result<PackageSignature> parse_package_signature(const nlohmann::json& value,
                                                 const std::string& path) {
  SELVEDGE_TRY(const auto object, JsonObject::open(value, path));
  PackageSignature signature;
  SELVEDGE_TRY(signature.key, hex(object, "key", kHashDigits));
  SELVEDGE_TRY(signature.signature, hex(object, "signature", kSignatureDigits));
  return signature;
}

bool is_package_name(std::string_view text) noexcept {
  const std::size_t slash = text.find('/');
  return slash != std::string_view::npos && is_part(text.substr(0, slash)) &&
         is_part(text.substr(slash + 1));
}

std::string_view owner_of(std::string_view package) noexcept {
  return package.substr(0, package.find('/'));
}

std::string to_json(const PublishedPackage& package) {
  nlohmann::json made{{"name", package.name},
                      {"version", package.version},
                      {"image", package.image.hex()},
                      {"linked", package.linked.hex()},
                      {"dependencies", nlohmann::json::array()},
                      {"created", package.created}};
  for (const ImageOrigin& origin : package.dependencies) {
    made["dependencies"].push_back(
        {{"name", origin.name}, {"version", origin.version}, {"image", origin.image.hex()}});
  }
  if (package.sha256.has_value()) {
    made["sha256"] = *package.sha256;
  }
  if (package.signature.has_value()) {
    made["signature"] = {{"key", package.signature->key},
                         {"signature", package.signature->signature}};
  }
  return json_text(made);
}

Result<PublishedPackage> parse_published_package(std::string_view json) {
  SELVEDGE_TRY(const auto document, parse_json(json, "the published package"));
  SELVEDGE_TRY(const auto root, JsonObject::open(document, "published"));
  PublishedPackage package;
  SELVEDGE_TRY(package.name, root.text("name"));
  SELVEDGE_TRY(package.version, root.text("version"));
  SELVEDGE_TRY(package.image, root.hash("image"));
  SELVEDGE_TRY(package.linked, root.hash("linked"));
  SELVEDGE_TRY(const auto dependencies, root.objects("dependencies"));
  for (const JsonObject& object : dependencies) {
    ImageOrigin origin;
    SELVEDGE_TRY(origin.name, object.text("name"));
    SELVEDGE_TRY(origin.version, object.text("version"));
    SELVEDGE_TRY(origin.image, object.hash("image"));
    package.dependencies.push_back(std::move(origin));
  }
  if (root.find("sha256") != nullptr) {
    SELVEDGE_TRY(package.sha256, hex(root, "sha256", kHashDigits));
  }
  if (const nlohmann::json* const signature = root.find("signature"); signature != nullptr) {
    SELVEDGE_TRY(package.signature, parse_package_signature(*signature, root.path_of("signature")));
  }
  SELVEDGE_TRY(const std::uint64_t created, root.integer("created", INT64_MAX));
  package.created = static_cast<std::int64_t>(created);
  return package;
}

Result<PackageReference> parse_package_reference(std::string_view text) {
  PackageReference made;
  constexpr std::string_view kHash = "sha256:";
  if (text.starts_with(kHash)) {
    made.sha256 = text.substr(kHash.size());
    if (!is_hex(*made.sha256, kHashDigits)) {
      return fail_format(ErrorKind::kInvalid, "\"{}\" must have {} small hexadecimal digits", text,
                         kHashDigits);
    }
    return made;
  }
  const std::size_t at = text.find('@');
  made.name = text.substr(0, at);
  if (at != std::string_view::npos) {
    made.range = text.substr(at + 1);
  }
  if (!is_package_name(made.name) || !wire::is_semver_range(made.range)) {
    return fail_format(ErrorKind::kInvalid,
                       "\"{}\" names no package: write owner/name (in small letters), "
                       "owner/name@1.2 or sha256:…",
                       text);
  }
  return made;
}

}  // namespace selvedge::app
