#pragma once

// A plain byte-by-byte tokenizer of request heads, the oracle for the real one in tests and
// fuzzers.

#include <span>
#include <string_view>

#include "wire/internal/head_tokenizer.h"

namespace selvedge::wire::testing {

// Same contract as internal::tokenize_request_head.
internal::TokenizedHead reference_tokenize(std::string_view head,
                                           std::span<internal::FieldSpan> fields) noexcept;

}  // namespace selvedge::wire::testing
