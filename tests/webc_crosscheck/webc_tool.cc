// Lists and rewrites webc packages with our codec, as the Rust program beside it does with the
// reference implementation.
//
//   webc_tool dump FILE             prints the listing
//   webc_tool rewrite FILE OUT 2|3  writes a package of that version with the same contents

#include <cstdio>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "app/webc_manifest.h"
#include "base/format.h"
#include "crypto/sha256.h"
#include "wire/webc_reader.h"
#include "wire/webc_writer.h"

namespace selvedge {
namespace {

std::string hash(base::ByteSpan bytes) {
  std::string out;
  for (const std::byte byte : crypto::sha256(std::span(&bytes, 1))) {
    out += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
  }
  return out;
}

std::string quoted(std::string_view text) { return fmt::format("\"{}\"", text); }

std::string quoted(const std::vector<std::string>& texts) {
  std::string out = "[";
  for (const std::string& text : texts) {
    out += (out.size() > 1 ? ", " : "") + quoted(text);
  }
  return out + "]";
}

void list(const wire::WebcNode& folder, const std::string& path, std::string& out) {
  for (const wire::WebcNode& node : folder.children) {
    const std::string own = path + "/" + node.name;
    const std::string time = node.mtime ? fmt::format("{}", *node.mtime) : "-";
    switch (node.kind) {
      case wire::WebcKind::kDirectory:
        out += fmt::format("dir {} {}\n", own, time);
        list(node, own, out);
        break;
      case wire::WebcKind::kFile:
        out +=
            fmt::format("file {} {} {} {}\n", own, time, node.content.size(), hash(node.content));
        break;
      case wire::WebcKind::kSymlink:
        out += fmt::format("link {} {} {}\n", own, time, base::as_text(node.content));
        break;
    }
  }
}

void list_command(const app::WebcCommand& command, std::string& out) {
  out +=
      fmt::format("command {} {} {}", quoted(command.name), command.runner, quoted(command.atom));
  if (command.dependency) {
    out += " of " + quoted(*command.dependency);
  }
  std::vector<std::string> env;
  for (const auto& [key, value] : command.env) {
    env.push_back(fmt::format("{}={}", key, value));
  }
  out += fmt::format(" {} {}", quoted(command.main_args), quoted(env));
  out += command.exec_name ? fmt::format(" {}\n", quoted(*command.exec_name)) : "\n";
}

void list_manifest(const app::WebcManifest& manifest, std::string& out) {
  out += fmt::format("package {} {}\n", quoted(manifest.name), quoted(manifest.version));
  for (const app::WebcAtom& atom : manifest.atoms) {
    out += fmt::format("module {} {} {} {}\n", quoted(atom.name), atom.kind, atom.signature,
                       quoted(atom.features));
  }
  for (const app::WebcCommand& command : manifest.commands) {
    list_command(command, out);
  }
  for (const app::WebcMount& mount : manifest.mounts) {
    out += fmt::format("mount {} {} {} {}\n", quoted(mount.from.value_or("")), quoted(mount.volume),
                       quoted(mount.host_path.value_or("")), quoted(mount.guest));
  }
  out += fmt::format("entrypoint {}\n", quoted(manifest.entrypoint.value_or("")));
}

Result<std::string> dump(const wire::WebcPackage& package) {
  SELVEDGE_TRY(const auto manifest, app::parse_webc_manifest(package.manifest()));
  SELVEDGE_TRY_VOID(app::check_webc_contents(manifest, package));
  std::string out = fmt::format("version 00{}\nmanifest {} true\n",
                                static_cast<int>(package.version()), hash(package.manifest()));
  list_manifest(manifest, out);
  for (const wire::WebcNode& atom : package.atoms()) {
    out += fmt::format("atom {} {} {}\n", atom.name, atom.content.size(), hash(atom.content));
  }
  for (const wire::WebcVolume& volume : package.volumes()) {
    out += fmt::format("volume {}\n", volume.name);
    list(volume.root, "", out);
  }
  return out;
}

// The manifest is written anew as well, from what we understood of it.
Result<> rewrite(const wire::WebcPackage& package, const std::string& out,
                 wire::WebcVersion version) {
  SELVEDGE_TRY(const auto manifest, app::parse_webc_manifest(package.manifest()));
  const auto cbor = app::build_webc_manifest(manifest);
  SELVEDGE_TRY(
      const auto image,
      wire::write_webc({.manifest = cbor, .atoms = package.atoms(), .volumes = package.volumes()},
                       {.sha256 = &crypto::sha256, .version = version}));
  std::ofstream file(out, std::ios::binary);
  for (const base::ByteSpan piece : image.pieces()) {
    const std::string_view text = base::as_text(piece);
    file.write(text.data(), static_cast<std::streamsize>(text.size()));
  }
  file.close();
  if (!file) {
    return fail_format(ErrorKind::kInternal, "{} cannot be written", out);
  }
  return {};
}

Result<> run(std::span<char*> arguments) {
  const std::vector<std::string> words(arguments.begin(), arguments.end());
  if (words.size() < 2) {
    return fail(ErrorKind::kInvalid, "usage: webc_tool dump FILE | rewrite FILE OUT 2|3");
  }
  std::ifstream file(words[1], std::ios::binary);
  const std::string bytes(std::istreambuf_iterator<char>(file), {});
  SELVEDGE_TRY(const auto package, wire::WebcPackage::open(base::as_bytes(bytes)));
  SELVEDGE_TRY_VOID(package.verify(&crypto::sha256));
  if (words[0] == "rewrite" && words.size() == 4) {
    return rewrite(package, words[2],
                   words[3] == "2" ? wire::WebcVersion::kV2 : wire::WebcVersion::kV3);
  }
  SELVEDGE_TRY(const std::string listing, dump(package));
  fmt::print("{}", listing);
  return {};
}

}  // namespace
}  // namespace selvedge

int main(int argc, char** argv) {
  const auto done = selvedge::run(std::span(argv, static_cast<std::size_t>(argc)).subspan(1));
  if (!done) {
    fmt::print(stderr, "webc_tool: {}\n", done.error().message());
    return 1;
  }
  return 0;
}
