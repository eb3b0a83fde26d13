#include "wire/internal/head_tokenizer.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

#include "base/random.h"
#include "wire/testing/reference_tokenizer.h"

// Goal: the tokenizer and a plain one agree on what is a head. Method: mutate a good head at
// random.

namespace selvedge::wire::internal {
namespace {

std::string describe(const TokenizedHead& head, std::span<const FieldSpan> fields,
                     std::string_view text) {
  if (head.status != TokenizeStatus::kComplete) {
    return "refused";
  }
  std::string out;
  out.append(head.method).append("|").append(head.target).append(head.is_http11 ? "|1" : "|0");
  for (const FieldSpan& field : fields.first(head.field_count)) {
    out.append("|").append(text.substr(field.name_offset, field.name_size));
    out.append("=").append(text.substr(field.value_offset, field.value_size));
  }
  return out;
}

TEST(HeadTokenizer_Tokenize, MutatedHeads_SameAsTheReference) {
  constexpr std::uint64_t kSeed = 20261122;
  constexpr std::string_view kGood =
      "POST /path?q HTTP/1.1\r\nHost: example.com\r\nX: \t padded value \r\nEmpty:\r\n\r\n";
  constexpr std::string_view kSpice = "\r\n \t:\0\x7f\xff(/a";
  base::SeededRandom random(kSeed);
  int accepted = 0;
  for (int i = 0; i < 200'000; ++i) {
    std::string text(kGood);
    for (std::uint64_t changes = random.below(3); changes > 0; --changes) {
      const std::size_t at = random.below(text.size() - 4);
      const char c = kSpice[random.below(kSpice.size())];
      switch (random.below(3)) {
        case 0:
          text[at] = c;
          break;
        case 1:
          text.insert(at, 1, c);
          break;
        default:
          text.erase(at, 1);
      }
    }
    // The caller's part of the contract: one head that ends with its only empty line.
    if (text.starts_with("\r\n") || text.find("\r\n\r\n") != text.size() - 4 ||
        text.find("\n\n") != std::string::npos || text.starts_with('\n')) {
      continue;
    }
    std::array<FieldSpan, 8> fields{};
    std::array<FieldSpan, 8> reference_fields{};
    const auto head = tokenize_request_head(text, fields);
    const auto reference = testing::reference_tokenize(text, reference_fields);
    const std::string expected = describe(reference, reference_fields, text);
    ASSERT_EQ(describe(head, fields, text), expected) << text << "\nseed " << kSeed;
    accepted += expected == "refused" ? 0 : 1;
  }
  EXPECT_GT(accepted, 10'000);
}

}  // namespace
}  // namespace selvedge::wire::internal
