#pragma once

#include <cstddef>

#include "base/result.h"
#include "store/blob.h"
#include "store/internal/s3_client.h"

namespace selvedge::store::internal {

// Writes a blob: in one request when it is not larger than `part_bytes`, else in parts, which the
// server joins. What was uploaded of a blob that failed is given up; that of a process that died
// stays until a lifecycle rule of the bucket removes it.
Result<> upload_blob(S3Client& client, BlobSource& source, std::size_t part_bytes);

}  // namespace selvedge::store::internal
