// The admin API's packages: published ones by name, and what is needed to publish, link and fetch
// them. Publishing answers as a deploy does, one JSON value a line.

#include <unistd.h>

#include <cerrno>
#include <utility>

#include "app/json_reader.h"
#include "app/package_registry.h"
#include "base/errno_error.h"
#include "base/format.h"
#include "base/log.h"
#include "node/admin_api.h"
#include "node/admin_exchange.h"
#include "store/blob.h"

namespace selvedge::node {
namespace {

using Kind = wire::Method::Kind;

constexpr std::size_t kRequestBytesMax = std::size_t{4} << 20;
constexpr std::size_t kPieceBytes = std::size_t{256} << 10;
constexpr std::size_t kSha256Digits = 64;

nlohmann::json json_of(const app::PublishedPackage& package) {
  return nlohmann::json::parse(to_json(package), nullptr, /*allow_exceptions=*/false);
}
nlohmann::json json_of(const app::PackageImage& image) {
  return nlohmann::json::parse(to_json(image), nullptr, /*allow_exceptions=*/false);
}

Result<app::PackageImage> image_of(const app::JsonObject& request) {
  const nlohmann::json* const package = request.find("package");
  if (package == nullptr) {
    return fail(ErrorKind::kInvalid, "request.package is missing");
  }
  return app::parse_package_image(app::json_text(*package));
}

Result<std::optional<app::PackageSignature>> signature_of(const app::JsonObject& request) {
  const nlohmann::json* const value = request.find("signature");
  if (value == nullptr) {
    return std::optional<app::PackageSignature>();
  }
  return app::parse_package_signature(*value, "request.signature");
}

Result<app::PackageRegistry::Publication> parse_publication(std::string_view content) {
  SELVEDGE_TRY(const auto document, app::parse_json(content, "the request"));
  SELVEDGE_TRY(const auto root, app::JsonObject::open(document, "request"));
  app::PackageRegistry::Publication made;
  SELVEDGE_TRY(made.image, image_of(root));
  if (!made.image.origins.empty()) {
    return fail(ErrorKind::kInvalid, "request.package is linked already");
  }
  SELVEDGE_TRY(made.sha256, root.optional_text("sha256"));
  if (made.sha256.has_value() && !app::is_hex(*made.sha256, kSha256Digits)) {
    return fail(ErrorKind::kInvalid, "request.sha256 must be 64 small hexadecimal digits");
  }
  SELVEDGE_TRY(made.signature, signature_of(root));
  return made;
}

Result<nlohmann::json> list_packages(app::PackageRegistry& packages) {
  SELVEDGE_TRY(const auto names, packages.names());
  nlohmann::json list = nlohmann::json::array();
  for (const std::string& name : names) {
    SELVEDGE_TRY(auto versions, packages.versions(name));
    list.push_back({{"name", name}, {"versions", std::move(versions)}});
  }
  return nlohmann::json{{"packages", std::move(list)}};
}

Result<nlohmann::json> describe_package(app::PackageRegistry& packages, const std::string& name) {
  SELVEDGE_TRY(const auto numbers, packages.versions(name));
  if (numbers.empty()) {
    return fail_format(ErrorKind::kNotFound, "there is no package {}", name);
  }
  nlohmann::json versions = nlohmann::json::array();
  for (const std::string& version : numbers) {
    SELVEDGE_TRY(const auto package, packages.find(name, version));
    versions.push_back(json_of(package));
  }
  return nlohmann::json{{"name", name}, {"versions", std::move(versions)}};
}

Result<nlohmann::json> find_package(app::PackageRegistry& packages, app::AppStore& store,
                                    std::string_view content) {
  SELVEDGE_TRY(const auto document, app::parse_json(content, "the request"));
  SELVEDGE_TRY(const auto root, app::JsonObject::open(document, "request"));
  SELVEDGE_TRY(const std::string text, root.text("package"));
  SELVEDGE_TRY(const auto reference, app::parse_package_reference(text));
  SELVEDGE_TRY(const auto package, packages.resolve(reference));
  SELVEDGE_TRY_VOID(packages.verify(package));
  SELVEDGE_TRY(const auto image, store.image(package.image));
  SELVEDGE_TRY(const auto linked, store.image(package.linked));
  return nlohmann::json{
      {"published", json_of(package)}, {"package", json_of(image)}, {"linked", json_of(linked)}};
}

Result<nlohmann::json> link_package(app::PackageRegistry& packages, std::string_view content) {
  SELVEDGE_TRY(const auto document, app::parse_json(content, "the request"));
  SELVEDGE_TRY(const auto root, app::JsonObject::open(document, "request"));
  SELVEDGE_TRY(const auto image, image_of(root));
  SELVEDGE_TRY(const auto linked, packages.link(image));
  return nlohmann::json{{"linked", json_of(linked)}};
}

}  // namespace

io::Task<> AdminApi::dispatch_packages(app::HttpExchange& exchange, const AdminCaller& caller) {
  const Segments path = path_segments(exchange.request().target().path());
  const Kind method = exchange.request().method().kind();
  app::PackageRegistry& packages = options_.packages;
  if (path.size() == 2 && method == Kind::kGet) {
    SELVEDGE_CO_TRY(auto list, co_await in_store([&packages] { return list_packages(packages); }));
    co_return co_await answer_json(exchange, wire::StatusCode(200), std::move(list));
  }
  if (path.size() == 2 && method == Kind::kPost) {
    co_return co_await publish_package(exchange, caller);
  }
  if (path.size() == 4 && method == Kind::kGet) {
    std::string name = fmt::format("{}/{}", path[2], path[3]);
    SELVEDGE_CO_TRY(auto told, co_await in_store([&packages, name = std::move(name)] {
                      return describe_package(packages, name);
                    }));
    co_return co_await answer_json(exchange, wire::StatusCode(200), std::move(told));
  }
  const bool link = path.size() == 3 && path[2] == "link";
  if (method == Kind::kPost && (link || (path.size() == 3 && path[2] == "find"))) {
    SELVEDGE_CO_TRY(std::string content, co_await read_content(exchange, kRequestBytesMax));
    SELVEDGE_CO_TRY(
        auto answer,
        co_await in_store([&packages, &store = options_.store, link, content = std::move(content)] {
          return link ? link_package(packages, content) : find_package(packages, store, content);
        }));
    co_return co_await answer_json(exchange, wire::StatusCode(200), std::move(answer));
  }
  co_return fail_format(ErrorKind::kNotFound, "the admin API has no {} {}",
                        exchange.request().method().text(), exchange.request().target().path());
}

io::Task<app::PublishedPackage> AdminApi::publish_checked(app::HttpExchange& exchange,
                                                          const AdminCaller& caller,
                                                          std::string content) {
  SELVEDGE_CO_TRY(auto publication, parse_publication(content));
  const std::string_view name = publication.image.name;
  SELVEDGE_CO_TRY_VOID(authorize_owner(caller, name.substr(0, name.find('/'))));
  SELVEDGE_CO_TRY(publication, co_await in_store([&options = options_,
                                                  publication = std::move(publication)]() mutable
                                                     -> Result<app::PackageRegistry::Publication> {
                    SELVEDGE_TRY_VOID(options.packages.check(publication));
                    // Its blobs are there, or nothing more happens.
                    SELVEDGE_TRY_VOID(options.store.put_image(publication.image));
                    SELVEDGE_TRY(publication.linked, options.packages.link(publication.image));
                    return std::move(publication);
                  }));
  SELVEDGE_CO_TRY_VOID(co_await prepare(exchange, publication.linked, app::PackageUse::kAny));
  co_return co_await in_store(
      [&packages = options_.packages, publication = std::move(publication)] {
        return packages.publish(publication);
      });
}

io::Task<> AdminApi::publish_package(app::HttpExchange& exchange, const AdminCaller& caller) {
  SELVEDGE_CO_TRY(std::string content, co_await read_content(exchange, kRequestBytesMax));
  wire::ResponseHead head;
  head.headers.add("content-type", "application/x-ndjson");
  SELVEDGE_CO_TRY_VOID(co_await exchange.send_head(std::move(head)));
  const auto package = co_await publish_checked(exchange, caller, std::move(content));
  if (package.has_value()) {
    log::info("package={} version={} image={} published", package->name, package->version,
              package->image.hex());
    SELVEDGE_CO_TRY_VOID(co_await write_line(exchange, json_of(*package)));
  } else {
    log::info("request={} publish failed: {}", exchange.request_id(), package.error().message());
    SELVEDGE_CO_TRY_VOID(co_await write_line(exchange, error_json(package.error())));
  }
  co_return co_await exchange.finish();
}

io::Task<> AdminApi::get_blob(app::HttpExchange& exchange, std::string hex) {
  SELVEDGE_CO_TRY(const auto hash, crypto::Blake3Hash::from_hex(hex));
  SELVEDGE_CO_TRY(auto opened, co_await in_store([&blobs = options_.blobs, hash]() {
                    return blobs.open_blob(hash, store::kBlobBytesMax);
                  }));
  // Shared with helper threads, which may still read when the client has left.
  const auto file = std::make_shared<const base::UniqueFd>(std::move(opened));
  wire::ResponseHead head;
  head.headers.add("content-type", "application/octet-stream");
  SELVEDGE_CO_TRY_VOID(co_await exchange.send_head(std::move(head)));
  for (;;) {
    SELVEDGE_CO_TRY(const auto piece, co_await in_store([file]() -> Result<std::vector<std::byte>> {
                      std::vector<std::byte> bytes(kPieceBytes);
                      const ssize_t count = ::read(file->get(), bytes.data(), bytes.size());
                      if (count < 0) {
                        return fail(base::errno_error(errno, "the blob"));
                      }
                      bytes.resize(static_cast<std::size_t>(count));
                      return bytes;
                    }));
    if (piece.empty()) {
      co_return co_await exchange.finish();
    }
    SELVEDGE_CO_TRY_VOID(co_await exchange.write_body(piece));
  }
}

}  // namespace selvedge::node
