#include "crypto/blake3.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace selvedge::crypto {
namespace {

using base::as_bytes;

// Values of BLAKE3's official test_vectors.json: input byte i is i % 251, the first 32 bytes of
// output.
constexpr std::string_view kVectorKey = "whats the Elvish word for friend";
constexpr std::string_view kVectorContext = "BLAKE3 2019-12-27 16:29:52 test vectors context";
struct Vector {
  std::size_t input_size;
  std::string_view hash;
  std::string_view keyed_hash;
  std::string_view derived_key;
};
constexpr Vector kVectors[] = {
    {0, "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
     "92b2b75604ed3c761f9d6f62392c8a9227ad0ea3f09573e783f1498a4ed60d26",
     "2cc39783c223154fea8dfb7c1b1660f2ac2dcbd1c1de8277b0b0dd39b7e50d7d"},
    {1, "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213",
     "6d7878dfff2f485635d39013278ae14f1454b8c0a3a2d34bc1ab38228a80c95b",
     "b3e2e340a117a499c6cf2398a19ee0d29cca2bb7404c73063382693bf66cb06c"},
    {2, "7b7015bb92cf0b318037702a6cdd81dee41224f734684c2c122cd6359cb1ee63",
     "5392ddae0e0a69d5f40160462cbd9bd889375082ff224ac9c758802b7a6fd20a",
     "1f166565a7df0098ee65922d7fea425fb18b9943f19d6161e2d17939356168e6"},
    {3, "e1be4d7a8ab5560aa4199eea339849ba8e293d55ca0a81006726d184519e647f",
     "39e67b76b5a007d4921969779fe666da67b5213b096084ab674742f0d5ec62b9",
     "440aba35cb006b61fc17c0529255de438efc06a8c9ebf3f2ddac3b5a86705797"},
    {63, "e9bc37a594daad83be9470df7f7b3798297c3d834ce80ba85d6e207627b7db7b",
     "bb1eb5d4afa793c1ebdd9fb08def6c36d10096986ae0cfe148cd101170ce37ae",
     "b6451e30b953c206e34644c6803724e9d2725e0893039cfc49584f991f451af3"},
    {64, "4eed7141ea4a5cd4b788606bd23f46e212af9cacebacdc7d1f4c6dc7f2511b98",
     "ba8ced36f327700d213f120b1a207a3b8c04330528586f414d09f2f7d9ccb7e6",
     "a5c4a7053fa86b64746d4bb688d06ad1f02a18fce9afd3e818fefaa7126bf73e"},
    {65, "de1e5fa0be70df6d2be8fffd0e99ceaa8eb6e8c93a63f2d8d1c30ecb6b263dee",
     "c0a4edefa2d2accb9277c371ac12fcdbb52988a86edc54f0716e1591b4326e72",
     "51fd05c3c1cfbc8ed67d139ad76f5cf8236cd2acd26627a30c104dfd9d3ff8a8"},
    {127, "d81293fda863f008c09e92fc382a81f5a0b4a1251cba1634016a0f86a6bd640d",
     "c64200ae7dfaf35577ac5a9521c47863fb71514a3bcad18819218b818de85818",
     "c91c090ceee3a3ac81902da31838012625bbcd73fcb92e7d7e56f78deba4f0c3"},
    {128, "f17e570564b26578c33bb7f44643f539624b05df1a76c81f30acd548c44b45ef",
     "b04fe15577457267ff3b6f3c947d93be581e7e3a4b018679125eaf86f6a628ec",
     "81720f34452f58a0120a58b6b4608384b5c51d11f39ce97161a0c0e442ca0225"},
    {129, "683aaae9f3c5ba37eaaf072aed0f9e30bac0865137bae68b1fde4ca2aebdcb12",
     "d4a64dae6cdccbac1e5287f54f17c5f985105457c1a2ec1878ebd4b57e20d38f",
     "938d2d4435be30eafdbb2b7031f7857c98b04881227391dc40db3c7b21f41fc1"},
    {1023, "10108970eeda3eb932baac1428c7a2163b0e924c9a9e25b35bba72b28f70bd11",
     "c951ecdf03288d0fcc96ee3413563d8a6d3589547f2c2fb36d9786470f1b9d6e",
     "74a16c1c3d44368a86e1ca6df64be6a2f64cce8f09220787450722d85725dea5"},
    {1024, "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7",
     "75c46f6f3d9eb4f55ecaaee480db732e6c2105546f1e675003687c31719c7ba4",
     "7356cd7720d5b66b6d0697eb3177d9f8d73a4a5c5e968896eb6a689684302706"},
    {1025, "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444",
     "357dc55de0c7e382c900fd6e320acc04146be01db6a8ce7210b7189bd664ea69",
     "effaa245f065fbf82ac186839a249707c3bddf6d3fdda22d1b95a3c970379bcb"},
    {2048, "e776b6028c7cd22a4d0ba182a8bf62205d2ef576467e838ed6f2529b85fba24a",
     "879cf1fa2ea0e79126cb1063617a05b6ad9d0b696d0d757cf053439f60a99dd1",
     "7b2945cb4fef70885cc5d78a87bf6f6207dd901ff239201351ffac04e1088a23"},
    {2049, "5f4d72f40d7a5f82b15ca2b2e44b1de3c2ef86c426c95c1af0b6879522563030",
     "9f29700902f7c86e514ddc4df1e3049f258b2472b6dd5267f61bf13983b78dd5",
     "2ea477c5515cc3dd606512ee72bb3e0e758cfae7232826f35fb98ca1bcbdf273"},
    {3072, "b98cb0ff3623be03326b373de6b9095218513e64f1ee2edd2525c7ad1e5cffd2",
     "044a0e7b172a312dc02a4c9a818c036ffa2776368d7f528268d2e6b5df191770",
     "050df97f8c2ead654d9bb3ab8c9178edcd902a32f8495949feadcc1e0480c46b"},
    {8193, "bab6c09cb8ce8cf459261398d2e7aef35700bf488116ceb94a36d0f5f1b7bc3b",
     "954a2a75420c8d6547e3ba5b98d963e6fa6491addc8c023189cc519821b4a1f5",
     "af1e0346e389b17c23200270a64aa4e1ead98c61695d917de7d5b00491c9b0f1"},
    {102400, "bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085",
     "1c35d1a5811083fd7119f5d5d1ba027b4d01c0c6c49fb6ff2cf75393ea5db4a7",
     "4652cff7a3f385a6103b5c260fc1593e13c778dbe608efb092fe7ee69df6e9c6"},
};

std::vector<std::byte> pattern(std::size_t size, std::size_t start = 0) {
  std::vector<std::byte> bytes(size);
  for (std::size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<std::byte>((i + start) % 251);
  }
  return bytes;
}

SecretKey vector_key() { return *SecretKey::from_bytes(as_bytes(kVectorKey)); }

TEST(Blake3, OfficialVectors_AllModes_Match) {
  const SecretKey key = vector_key();
  for (const Vector& vector : kVectors) {
    const auto input = pattern(vector.input_size);
    EXPECT_EQ(blake3(input).hex(), vector.hash) << vector.input_size;
    EXPECT_EQ(keyed_blake3(key, input).hex(), vector.keyed_hash) << vector.input_size;
    const SecretKey derived = derive_key_blake3(kVectorContext, input);
    EXPECT_EQ(Blake3Hash(derived.bytes()).hex(), vector.derived_key) << vector.input_size;
  }
}

TEST(Blake3, Abc_Plain_MatchesPublishedValue) {
  EXPECT_EQ(blake3(as_bytes("abc")).hex(),
            "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85");
}

TEST(Blake3Hasher, Pieces_OfAnySize_EqualOneShot) {
  const SecretKey key = vector_key();
  const auto input = pattern(5000);
  for (const std::size_t piece : {1uz, 3uz, 64uz, 1000uz, 1024uz, 5000uz}) {
    Blake3Hasher plain;
    Blake3Hasher keyed(key);
    for (std::size_t at = 0; at < input.size(); at += piece) {
      const auto part = base::ByteSpan(input).subspan(at, std::min(piece, input.size() - at));
      plain.update(part);
      keyed.update(part);
    }
    EXPECT_EQ(plain.finalize(), blake3(input)) << piece;
    EXPECT_EQ(keyed.finalize(), keyed_blake3(key, input)) << piece;
    keyed.reset();
    EXPECT_EQ(keyed.finalize(), keyed_blake3(key, {})) << piece;
  }
}

TEST(Blake3Hasher, LongOutput_FirstBytes_AreTheHash) {
  Blake3Hasher hasher;
  hasher.update(as_bytes("abc"));
  std::vector<std::byte> output(100);
  hasher.finalize_into(output);
  EXPECT_EQ(Blake3Hash(base::ByteSpan(output).first<32>()), blake3(as_bytes("abc")));
  hasher.finalize_into({});
}

TEST(Blake3Many, AnyCountAndSize_EqualsOneByOne) {
  const SecretKey key = vector_key();
  for (const std::size_t size :
       {0uz, 1uz, 63uz, 64uz, 65uz, 1000uz, 1024uz, 1025uz, 1500uz, 2048uz, 2049uz, 5000uz}) {
    for (const std::size_t count : {0uz, 1uz, 2uz, 16uz, 31uz, 32uz, 33uz, 100uz}) {
      std::vector<std::vector<std::byte>> inputs;
      std::vector<const std::byte*> pointers;
      for (std::size_t i = 0; i < count; ++i) {
        pointers.push_back(inputs.emplace_back(pattern(size, i)).data());
      }
      std::vector<Blake3Hash> plain(count);
      std::vector<Blake3Hash> keyed(count);
      blake3_many(pointers, size, plain);
      keyed_blake3_many(key, pointers, size, keyed);
      for (std::size_t i = 0; i < count; ++i) {
        EXPECT_EQ(plain[i], blake3(inputs[i])) << size << " bytes, input " << i << " of " << count;
        EXPECT_EQ(keyed[i], keyed_blake3(key, inputs[i])) << size << " bytes, input " << i;
      }
    }
  }
}

TEST(Blake3Hash, Hex_ThereAndBack_IsTheSame) {
  const Blake3Hash hash = blake3(as_bytes("abc"));
  const auto again = Blake3Hash::from_hex(hash.hex());
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(*again, hash);
  EXPECT_EQ(Blake3Hash().hex(), std::string(64, '0'));
}

TEST(Blake3Hash, Hex_AnythingElse_IsRefused) {
  const std::string good = blake3({}).hex();
  for (const std::string& bad :
       {std::string(), good.substr(1), good + "0", "A" + good.substr(1), "g" + good.substr(1),
        " " + good.substr(1), std::string(64, '\0')}) {
    const auto hash = Blake3Hash::from_hex(bad);
    ASSERT_FALSE(hash.has_value()) << bad;
    EXPECT_EQ(hash.error().kind(), ErrorKind::kInvalid);
  }
}

TEST(Blake3Hash, Comparison_OneBitApart_Differs) {
  const Blake3Hash zero;
  for (std::size_t i = 0; i < Blake3Hash::kSize; ++i) {
    std::array<std::byte, Blake3Hash::kSize> bytes{};
    bytes[i] = std::byte{1};
    EXPECT_NE(Blake3Hash(bytes), zero);
    EXPECT_GT(Blake3Hash(bytes), zero);
  }
}

}  // namespace
}  // namespace selvedge::crypto
