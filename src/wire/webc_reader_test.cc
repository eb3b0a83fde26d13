#include "wire/webc_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/format.h"
#include "wire/testing/webc_files.h"
#include "wire/webc_writer.h"

namespace selvedge::wire {
namespace {

using namespace std::string_view_literals;
using testing::file;
using testing::folder;
using ::testing::HasSubstr;
using testing::link;
using testing::raw_directory;
using testing::raw_file;
using testing::raw_package;
using testing::weak_sha256;

std::string small_package(WebcVersion version) {
  const std::vector<WebcNode> atoms{file("tool", "\0asm code"sv)};
  std::vector<WebcVolume> volumes{
      {.name = "/site", .root = folder("", {file("index.html", "<p>", 1'700'000'000)}, 5)}};
  if (version == WebcVersion::kV3) {
    volumes[0].root.children.push_back(folder("pages", {link("home", "../index.html", 7)}, 6));
  }
  const auto image =
      write_webc({.manifest = base::as_bytes("\xa0"), .atoms = atoms, .volumes = volumes},
                 {.sha256 = &weak_sha256, .version = version});
  return std::string(base::as_text(image->to_bytes()));
}

Result<WebcPackage> open(std::string_view bytes, const WebcLimits& limits = {}) {
  return WebcPackage::open(base::as_bytes(bytes), limits);
}

// What is wrong with a package whose one volume "v" has these records and contents.
std::string fault(std::string header, std::string contents = "") {
  const std::string bytes =
      raw_package({{.name = "v", .header = std::move(header), .contents = std::move(contents)}});
  const auto package = open(bytes);
  if (package) {
    return "none";
  }
  EXPECT_EQ(package.error().kind(), ErrorKind::kInvalid);
  return package.error().message();
}

// A folder of empty files with these names.
std::string named(const std::vector<std::string>& names) {
  std::vector<testing::RawEntry> entries;
  for (const std::string& name : names) {
    entries.push_back({.offset = 0, .name = name});
  }
  std::uint64_t offset = raw_directory(entries).size();
  std::string files;
  for (testing::RawEntry& entry : entries) {
    entry.offset = offset + files.size();
    files += raw_file(0, 0);
  }
  return raw_directory(entries) + files;
}

class Versions : public ::testing::TestWithParam<WebcVersion> {};
INSTANTIATE_TEST_SUITE_P(Webc, Versions, ::testing::Values(WebcVersion::kV2, WebcVersion::kV3),
                         [](const auto& test) {
                           return test.param == WebcVersion::kV2 ? "V2" : "V3";
                         });

TEST_P(Versions, TruncatedAnywhere_IsRefused) {
  const std::string bytes = small_package(GetParam());
  ASSERT_TRUE(open(bytes).has_value());
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_FALSE(open(std::string_view(bytes).substr(0, length)).has_value()) << length;
  }
}

// Only the zeros behind the index may change, and their number; nothing that is read changes with
// them.
TEST_P(Versions, AFlippedByte_IsFound) {
  const std::string bytes = small_package(GetParam());
  const auto original = open(bytes);
  ASSERT_TRUE(original.has_value());
  ASSERT_TRUE(original->verify(&weak_sha256).has_value());
  const std::size_t index_begin = 17;
  const std::size_t index_end = index_begin + static_cast<unsigned char>(bytes[9]) +
                                256 * static_cast<std::size_t>(bytes[10]);
  std::size_t unnoticed = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    for (const unsigned mask : {0x01U, 0x80U, 0xffU}) {
      std::string changed = bytes;
      changed[i] = static_cast<char>(static_cast<unsigned char>(changed[i]) ^ mask);
      const auto package = open(changed);
      if (package && package->verify(&weak_sha256)) {
        ++unnoticed;
        ASSERT_LT(i, index_end);
        ASSERT_TRUE(i == 9 || (i >= index_begin && bytes[i] == '\0')) << i;
        ASSERT_EQ(package->volumes().size(), 1);
        EXPECT_EQ(testing::listing(package->volumes()[0].root),
                  testing::listing(original->volumes()[0].root));
      }
    }
  }
  EXPECT_GT(unnoticed, 0);
}

TEST_P(Versions, EntriesMax_IsOfAllTrees) {
  const std::string bytes = small_package(GetParam());
  const std::size_t entries = GetParam() == WebcVersion::kV2 ? 4 : 6;
  EXPECT_TRUE(open(bytes, {.entries_max = entries}).has_value());
  for (std::size_t fewer = 0; fewer < entries; ++fewer) {
    const auto package = open(bytes, {.entries_max = fewer});
    ASSERT_FALSE(package.has_value());
    EXPECT_EQ(package.error().kind(), ErrorKind::kOverloaded);
  }
}

TEST_P(Versions, OtherLimits_AreKept) {
  const std::string bytes = small_package(GetParam());
  const std::vector<WebcLimits> limits{
      {.bytes_max = bytes.size() - 1}, {.index_bytes_max = 100},
      {.manifest_bytes_max = 0},       {.volumes_max = 0},
      {.name_bytes_max = 3},           {.volume_name_bytes_max = 4}};
  for (const WebcLimits& limit : limits) {
    EXPECT_FALSE(open(bytes, limit).has_value());
  }
  EXPECT_TRUE(open(bytes, {.bytes_max = bytes.size(), .manifest_bytes_max = 1, .volumes_max = 1})
                  .has_value());
}

TEST(WebcReader, Contents_AreViewsOfTheFile) {
  const std::string bytes = small_package(WebcVersion::kV3);
  const auto package = open(bytes);
  ASSERT_TRUE(package.has_value());
  EXPECT_EQ(package->version(), WebcVersion::kV3);
  EXPECT_EQ(base::as_text(package->manifest()), "\xa0");
  const WebcNode* atom = package->find_atom("tool");
  ASSERT_NE(atom, nullptr);
  EXPECT_EQ(base::as_text(atom->content), "\0asm code"sv);
  EXPECT_GE(base::as_text(atom->content).data(), bytes.data());
  EXPECT_LT(base::as_text(atom->content).data(), bytes.data() + bytes.size());
  EXPECT_EQ(package->find_atom("too"), nullptr);
  const WebcVolume* volume = package->find_volume("/site");
  ASSERT_NE(volume, nullptr);
  EXPECT_EQ(testing::listing(volume->root),
            "dir / 5\n"
            "file /index.html 1700000000 <p>\n"
            "dir /pages/ 6\n"
            "link /pages/home 7 ../index.html\n");
  EXPECT_EQ(package->find_volume("site"), nullptr);
}

TEST(WebcReader, Version2_HasNoTimes) {
  const std::string bytes = small_package(WebcVersion::kV2);
  const auto package = open(bytes);
  ASSERT_TRUE(package.has_value());
  EXPECT_EQ(package->version(), WebcVersion::kV2);
  EXPECT_EQ(testing::listing(package->volumes()[0].root), "dir / -\nfile /index.html - <p>\n");
}

TEST(WebcReader, OtherFiles_AreRefusedByName) {
  const auto kind_and_message = [](std::string_view bytes) {
    const auto package = open(bytes);
    return package ? "opened"
                   : fmt::format("{}: {}", to_string(package.error().kind()),
                                 package.error().message());
  };
  EXPECT_THAT(kind_and_message(""), HasSubstr("not a webc package"));
  EXPECT_THAT(kind_and_message("\0asm\1\0\0\0"sv), HasSubstr("not a webc package"));
  EXPECT_THAT(kind_and_message("\0webc001\0\0\0"sv), HasSubstr("version 1 are not supported"));
  EXPECT_THAT(kind_and_message("\0webc004\0\0\0"sv), HasSubstr("versions 2 and 3 are"));
  EXPECT_THAT(kind_and_message("\0webc00"sv), HasSubstr("truncated"));
  EXPECT_THAT(kind_and_message("\0webc003\1\0\0\0\0\0\0\0\0"sv),
              HasSubstr("does not begin with an index (byte 8)"));
  EXPECT_EQ(open("\0webc001"sv).error().kind(), ErrorKind::kUnsupported);
}

TEST(WebcReader, AnEmptyVolume_IsRead) { EXPECT_EQ(fault(raw_directory({})), "none"); }

TEST(WebcReader, Names_AreChecked) {
  EXPECT_EQ(fault(named({"a", "b", "..."})), "none");
  EXPECT_EQ(fault(named({"a", ""})), "v: an entry's name is empty");
  EXPECT_THAT(fault(named({"."})), HasSubstr("\".\" or \"..\""));
  EXPECT_THAT(fault(named({".."})), HasSubstr("\".\" or \"..\""));
  EXPECT_EQ(fault(named({"a/b"})), "v: an entry's name contains '/'");
  EXPECT_EQ(fault(named({std::string("a\0b", 3)})), "v: an entry's name contains a NUL");
  EXPECT_EQ(fault(named({"\xff"})), "v: an entry's name is not UTF-8");
  EXPECT_EQ(fault(named({std::string(255, 'n')})), "none");
  EXPECT_EQ(fault(named({std::string(256, 'n')})), "v: an entry's name is longer than 255 bytes");
}

TEST(WebcReader, NamesThatCollide_AreRefused) {
  EXPECT_EQ(fault(named({"b", "a", "b"})), "v: two entries are named \"b\"");
  EXPECT_EQ(fault(named({"readme", "other", "README"})),
            "v: the entries \"README\" and \"readme\" differ only in case");
  // Letters beyond ASCII are told apart, as the file systems of the hosts that matter do.
  EXPECT_EQ(fault(named({"\xc3\x84", "\xc3\xa4"})), "none");
}

TEST(WebcReader, NamesOfVolumes_AreChecked) {
  const auto message = [](const std::vector<std::string>& names) {
    std::vector<testing::RawVolume> volumes;
    for (const std::string& name : names) {
      volumes.push_back({.name = name, .header = raw_directory({}), .contents = ""});
    }
    const std::string bytes = raw_package(volumes);
    const auto package = open(bytes);
    return package ? std::string("none") : package.error().message();
  };
  EXPECT_EQ(message({"/a", "/b"}), "none");
  EXPECT_EQ(message({"/a", "/a"}), "two volumes are named \"/a\"");
  EXPECT_EQ(message({"/a", "/A"}), "the volumes \"/A\" and \"/a\" differ only in case");
  EXPECT_THAT(message({""}), HasSubstr("a volume's name must be"));
  EXPECT_THAT(message({std::string(1, '\0')}), HasSubstr("a volume's name must be"));
}

TEST(WebcReader, ALoop_IsRefused) {
  EXPECT_THAT(fault(raw_directory({{.offset = 0, .name = "self"}})),
              HasSubstr("v/self: the record lies before its folder's"));
  const std::size_t first = raw_directory({{.offset = 0, .name = "a"}}).size();
  EXPECT_THAT(fault(raw_directory({{.offset = first, .name = "a"}}) +
                    raw_directory({{.offset = 0, .name = "b"}})),
              HasSubstr("v/a/b: the record lies before its folder's"));
}

// Else few records could describe very many files.
TEST(WebcReader, SharedRecords_AreRefused) {
  const std::vector<testing::RawEntry> two{{.offset = 0, .name = "a"}, {.offset = 0, .name = "b"}};
  std::vector<testing::RawEntry> entries = two;
  const std::size_t end = raw_directory(entries).size();
  entries[0].offset = entries[1].offset = end;
  EXPECT_THAT(fault(raw_directory(entries) + raw_file(0, 0)), HasSubstr("records overlap"));

  std::string header;
  for (int level = 0; level < 30; ++level) {
    for (testing::RawEntry& entry : entries) {
      entry.offset = header.size() + end;
    }
    header += raw_directory(entries);
  }
  EXPECT_THAT(fault(header + raw_directory({})), HasSubstr("records overlap"));
}

TEST(WebcReader, Records_StayInTheSection) {
  const std::size_t end = raw_directory({{.offset = 0, .name = "a"}}).size();
  const auto with_offset = [](std::uint64_t offset) {
    return raw_directory({{.offset = offset, .name = "a"}});
  };
  EXPECT_THAT(fault(with_offset(end)), HasSubstr("outside of the section"));
  EXPECT_THAT(fault(with_offset(UINT64_MAX)), HasSubstr("outside of the section"));
  EXPECT_THAT(fault(with_offset(end) + "\x1f"), HasSubstr("the record is truncated"));
  EXPECT_THAT(fault(with_offset(end) + "\x20" + std::string(100, '\0')),
              HasSubstr("the record is of no known kind"));  // a link, in version 2
  EXPECT_THAT(fault(""), HasSubstr("outside of the section"));
  EXPECT_THAT(fault(raw_file(0, 0)), HasSubstr("does not begin with a folder"));
  std::string longer = raw_directory({});
  longer[1] = '\x01';
  EXPECT_THAT(fault(longer), HasSubstr("the record is truncated"));
  std::string cut = with_offset(end) + raw_file(0, 0);
  cut[1] = static_cast<char>(cut[1] - 1);
  EXPECT_THAT(fault(cut), HasSubstr("a name is truncated"));
}

TEST(WebcReader, Files_StayInTheContents) {
  const std::size_t end = raw_directory({{.offset = 0, .name = "a"}}).size();
  const std::string root = raw_directory({{.offset = end, .name = "a"}});
  EXPECT_EQ(fault(root + raw_file(1, 4), "1234"), "none");
  EXPECT_THAT(fault(root + raw_file(1, 5), "1234"), HasSubstr("v/a: the file lies outside"));
  EXPECT_THAT(fault(root + raw_file(3, 2), "1234"), HasSubstr("v/a: the file lies outside"));
  EXPECT_THAT(fault(root + raw_file(UINT64_MAX, UINT64_MAX), "1234"), HasSubstr("lies outside"));

  std::vector<testing::RawEntry> both{{.offset = 0, .name = "a"}, {.offset = 0, .name = "b"}};
  both[0].offset = raw_directory(both).size();
  both[1].offset = both[0].offset + raw_file(0, 0).size();
  EXPECT_THAT(fault(raw_directory(both) + raw_file(0, 3) + raw_file(1, 3), "1234"),
              HasSubstr("v/b: files overlap"));
}

TEST(WebcReader, Depth_IsLimited) {
  const auto nested = [](std::size_t folders) {
    std::string header;
    for (std::size_t i = 0; i < folders; ++i) {
      const std::string record = raw_directory({{.offset = 0, .name = "d"}});
      header += raw_directory({{.offset = header.size() + record.size(), .name = "d"}});
    }
    return header + raw_directory({});
  };
  EXPECT_EQ(fault(nested(128)), "none");
  EXPECT_THAT(fault(nested(129)), HasSubstr("more than 128 folders lie within each other"));
  EXPECT_THAT(fault(nested(100'000)), HasSubstr("more than 128 folders"));
}

TEST(WebcReader, AWrongChecksum_IsNamed) {
  std::string bytes = small_package(WebcVersion::kV3);
  bytes[bytes.rfind("<p>")] = '!';
  const auto package = open(bytes);
  ASSERT_TRUE(package.has_value());
  const auto verified = package->verify(&weak_sha256);
  ASSERT_FALSE(verified.has_value());
  EXPECT_EQ(verified.error().message(),
            "/site: the section's checksum is wrong, the package is damaged");

  const std::size_t end = raw_directory({{.offset = 0, .name = "a"}}).size();
  const std::string unsummed =
      raw_package({{.name = "v",
                    .header = raw_directory({{.offset = end, .name = "a"}}) + raw_file(0, 1),
                    .contents = "x"}});
  const auto without = open(unsummed);
  ASSERT_TRUE(without.has_value());
  EXPECT_EQ(without->verify(&weak_sha256).error().message(),
            "v/a: the checksum is wrong, the package is damaged");
}

TEST(WebcReader, SectionsThatOverlap_AreRefused) {
  const std::string bytes =
      raw_package({{.name = "v", .header = raw_directory({}), .contents = ""},
                   {.name = "w", .header = raw_directory({}), .contents = ""}});
  ASSERT_TRUE(open(bytes).has_value());
  // The second volume's start becomes the first one's.
  std::string changed = bytes;
  const std::size_t first = changed.find("start", changed.find("volumes"));
  const std::size_t second = changed.find("start", first + 5);
  changed.replace(second + 5, 3, changed, first + 5, 3);
  const auto package = open(changed);
  ASSERT_FALSE(package.has_value());
  EXPECT_THAT(package.error().message(), HasSubstr("overlaps another"));
}

}  // namespace
}  // namespace selvedge::wire
