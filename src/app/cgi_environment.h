#pragma once

// The meta-variables of a CGI request: RFC 3875 section 4.1, and what php-cgi needs beside them.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "app/environment.h"
#include "app/http_exchange.h"
#include "base/result.h"
#include "wire/http_message.h"

namespace selvedge::app {

// How requests map to the script. Comes from the command's own environment entries.
//
//   neither set                     the program is the whole site: SCRIPT_NAME "", PATH_INFO = path
//   DOCUMENT_ROOT                   PHP's convention: the first segment that ends in ".php" is the
//                                   script and the rest PATH_INFO; a path that ends in '/' names
//                                   its index.php; every other path goes to /index.php as PATH_INFO
//   DOCUMENT_ROOT, SCRIPT_FILENAME  one front controller: every path goes to it as PATH_INFO
struct CgiScript {
  std::optional<std::string> document_root;    // guest path without a final '/'
  std::optional<std::string> script_filename;  // guest path

  static CgiScript from(const Environment& configured);
};

// `configured`: the command's entries. They win over HTTP_* of the request, so that a client cannot
// override one by a header; the other meta-variables win over them.
//
// Header fields become HTTP_*: several of one name joined by ", " ("; " for Cookie). Not passed on:
// hop-by-hop fields, Content-Type and Content-Length (they have their own variables),
// Expect (answered by the gateway), `Proxy` (libraries read HTTP_PROXY from the environment), and
// names with other characters than letters, digits and '-': "X_Real" and "X-Real" would be the same
// variable, and a gateway in front that strips the one may not know the other.
//
// `content_length`: of the content that the guest will read; nullopt when there is none.
// kInvalid when the path cannot be decoded, or decodes to one with a ".." segment.
Result<EnvironmentBlock> cgi_environment(const wire::RequestHead& request, const HttpPeer& peer,
                                         std::optional<std::uint64_t> content_length,
                                         const CgiScript& script, const Environment& configured);

}  // namespace selvedge::app
