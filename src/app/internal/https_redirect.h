#pragma once

#include "app/http_exchange.h"
#include "io/task.h"

namespace selvedge::app::internal {

// Whether an app that wants HTTPS is to answer this request with a redirect: a trusted proxy took
// it without TLS. Who asks the node itself is served, because there is no HTTPS here to send them
// to; so is ACME's challenge (RFC 8555 section 8.3), which must be answered without TLS.
bool wants_https(const HttpExchange& exchange) noexcept;

// 308 to the same path and query of the same host, at the port of HTTPS. Precondition: the
// request's host is a name that the app has; else it could lead anywhere.
io::Task<> redirect_to_https(HttpExchange& exchange);

}  // namespace selvedge::app::internal
