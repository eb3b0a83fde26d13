#include "crypto/certificate.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

#include <chrono>
#include <ctime>

#include "base/assert.h"
#include "base/format.h"
#include "base/narrow.h"
#include "crypto/internal/certificate_contents.h"

namespace selvedge::crypto {
namespace {

using internal::BioPointer;
using internal::FreeWith;
using internal::KeyPointer;
using internal::X509Pointer;

constexpr int kRsaBitsMin = 2048;

// A key that is encrypted is refused, rather than asked for on a terminal.
int no_password(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*data*/) { return -1; }

base::WallTime to_wall_time(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) {
    return base::WallTime::min();
  }
  const std::chrono::year_month_day day(std::chrono::year(parts.tm_year + 1900),
                                        std::chrono::month(static_cast<unsigned>(parts.tm_mon + 1)),
                                        std::chrono::day(static_cast<unsigned>(parts.tm_mday)));
  // Certificates may say the year 9999, which the clock's nanoseconds do not reach.
  constexpr std::chrono::year kYearMax(2200);
  if (day.year() > kYearMax) {
    return base::WallTime::max();
  }
  return std::chrono::sys_days(day) + std::chrono::hours(parts.tm_hour) +
         std::chrono::minutes(parts.tm_min) + std::chrono::seconds(parts.tm_sec);
}

Result<> read_chain(std::string_view text, Certificate::Contents& contents) {
  const BioPointer bio = internal::read_from(text);
  contents.leaf.reset(PEM_read_bio_X509(bio.get(), nullptr, &no_password, nullptr));
  if (contents.leaf == nullptr) {
    return fail_format(ErrorKind::kInvalid, "this is not a certificate in PEM: {}",
                       internal::take_reason());
  }
  while (X509Pointer next{PEM_read_bio_X509(bio.get(), nullptr, &no_password, nullptr)}) {
    if (contents.chain.size() + 1 == Certificate::kChainMax) {
      return fail_format(ErrorKind::kInvalid, "there are more than {} certificates",
                         Certificate::kChainMax);
    }
    contents.chain.push_back(std::move(next));
  }
  if (const auto code = ERR_peek_last_error(); ERR_GET_REASON(code) != PEM_R_NO_START_LINE) {
    return fail_format(ErrorKind::kInvalid, "certificate {} is malformed: {}",
                       contents.chain.size() + 2, internal::take_reason());
  }
  ERR_clear_error();
  return {};
}

}  // namespace

Result<Certificate> Certificate::from_pem(std::string_view chain, std::string_view key) {
  ERR_clear_error();
  auto contents = std::make_shared<Contents>();
  if (auto read = read_chain(chain, *contents); !read.has_value()) {
    return fail(std::move(read).error().with_context("certificate"));
  }
  const BioPointer bio = internal::read_from(key);
  contents->key.reset(PEM_read_bio_PrivateKey(bio.get(), nullptr, &no_password, nullptr));
  if (contents->key == nullptr) {
    return fail_format(ErrorKind::kInvalid,
                       "key: this is not a private key in PEM without a password: {}",
                       internal::take_reason());
  }
  if (X509_check_private_key(contents->leaf.get(), contents->key.get()) != 1) {
    ERR_clear_error();
    return fail(ErrorKind::kInvalid, "key: this is not the key of the certificate");
  }
  if (EVP_PKEY_base_id(contents->key.get()) == EVP_PKEY_RSA &&
      EVP_PKEY_bits(contents->key.get()) < kRsaBitsMin) {
    return fail_format(ErrorKind::kInvalid, "key: RSA of {} bits is too weak: {} at least",
                       EVP_PKEY_bits(contents->key.get()), kRsaBitsMin);
  }
  contents->public_key_hash = internal::public_key_hash(contents->leaf.get());
  contents->not_before = to_wall_time(X509_get0_notBefore(contents->leaf.get()));
  contents->not_after = to_wall_time(X509_get0_notAfter(contents->leaf.get()));
  return Certificate(std::move(contents));
}

base::WallTime Certificate::not_before() const noexcept { return contents_->not_before; }
base::WallTime Certificate::not_after() const noexcept { return contents_->not_after; }
const std::string& Certificate::public_key_hash() const noexcept {
  return contents_->public_key_hash;
}

namespace {

using NamesPointer = std::unique_ptr<GENERAL_NAMES, FreeWith<GENERAL_NAMES_free>>;
using NamePointer = std::unique_ptr<GENERAL_NAME, FreeWith<GENERAL_NAME_free>>;
using TextPointer = std::unique_ptr<ASN1_IA5STRING, FreeWith<ASN1_IA5STRING_free>>;

Result<NamesPointer> names_of(const std::vector<std::string>& names) {
  constexpr std::size_t kNameBytesMax = 253;
  NamesPointer made(GENERAL_NAMES_new());
  for (const std::string& text : names) {
    NamePointer name(GENERAL_NAME_new());
    SELVEDGE_ASSERT(made != nullptr && name != nullptr);
    if (ASN1_OCTET_STRING* const address = a2i_IPADDRESS(text.c_str()); address != nullptr) {
      GENERAL_NAME_set0_value(name.get(), GEN_IPADD, address);
    } else {
      ERR_clear_error();
      if (text.empty() || text.size() > kNameBytesMax || text.find('\0') != std::string::npos) {
        return fail_format(ErrorKind::kInvalid, "\"{}\" is not a name for a certificate", text);
      }
      TextPointer value(ASN1_IA5STRING_new());
      SELVEDGE_ASSERT(ASN1_STRING_set(value.get(), text.data(), base::narrow<int>(text.size())) ==
                      1);
      GENERAL_NAME_set0_value(name.get(), GEN_DNS, value.release());
    }
    SELVEDGE_ASSERT(sk_GENERAL_NAME_push(made.get(), name.release()) > 0);
  }
  return made;
}

void add_extension(X509* certificate, int id, const char* value) {
  const std::unique_ptr<X509_EXTENSION, FreeWith<X509_EXTENSION_free>> extension(
      X509V3_EXT_conf_nid(nullptr, nullptr, id, value));
  SELVEDGE_ASSERT(extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1);
}

void set_time(ASN1_TIME* time, base::WallTime value) {
  SELVEDGE_ASSERT(ASN1_TIME_set(time, std::chrono::system_clock::to_time_t(
                                          std::chrono::floor<std::chrono::seconds>(value))) !=
                  nullptr);
}

void set_serial(X509* certificate) {
  std::array<unsigned char, 16> bytes;
  SELVEDGE_ASSERT(RAND_bytes(bytes.data(), bytes.size()) == 1);
  bytes.front() &= 0x7f;  // positive
  const std::unique_ptr<BIGNUM, FreeWith<BN_free>> number(
      BN_bin2bn(bytes.data(), bytes.size(), nullptr));
  SELVEDGE_ASSERT(BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr);
}

std::string to_pem(X509* certificate) {
  const BioPointer bio(BIO_new(BIO_s_mem()));
  SELVEDGE_ASSERT(PEM_write_bio_X509(bio.get(), certificate) == 1);
  return std::string(internal::written_to(bio.get()));
}

std::string to_pem(EVP_PKEY* key) {
  const BioPointer bio(BIO_new(BIO_s_secmem()));
  SELVEDGE_ASSERT(
      PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1);
  return std::string(internal::written_to(bio.get()));
}

}  // namespace

Result<CertificatePem> make_self_signed_certificate(const SelfSignedOptions& options) {
  SELVEDGE_ASSERT(!options.names.empty());
  ERR_clear_error();
  SELVEDGE_TRY(const NamesPointer names, names_of(options.names));
  const KeyPointer key(EVP_EC_gen("P-256"));
  const X509Pointer certificate(X509_new());
  SELVEDGE_ASSERT(key != nullptr && certificate != nullptr);
  X509_set_version(certificate.get(), X509_VERSION_3);
  set_serial(certificate.get());
  set_time(X509_getm_notBefore(certificate.get()), options.from);
  set_time(X509_getm_notAfter(certificate.get()), options.from + options.lifetime);
  X509_set_pubkey(certificate.get(), key.get());
  constexpr std::string_view kCommonName = "selvedge node";
  X509_NAME* const subject = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                             internal::octets(base::as_bytes(kCommonName)),
                             static_cast<int>(kCommonName.size()), -1, 0);
  X509_set_issuer_name(certificate.get(), subject);
  SELVEDGE_ASSERT(X509_add1_ext_i2d(certificate.get(), NID_subject_alt_name, names.get(), 0, 0) ==
                  1);
  add_extension(certificate.get(), NID_basic_constraints, "critical,CA:FALSE");
  add_extension(certificate.get(), NID_ext_key_usage, "serverAuth");
  SELVEDGE_ASSERT(X509_sign(certificate.get(), key.get(), EVP_sha256()) > 0);
  return CertificatePem{.certificate = to_pem(certificate.get()), .key = to_pem(key.get())};
}

}  // namespace selvedge::crypto
