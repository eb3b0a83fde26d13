#pragma once

#include <cstddef>
#include <cstdint>

#include "base/result.h"
#include "store/blob.h"
#include "store/internal/s3_client.h"

namespace selvedge::store::internal {

// Writes a blob: in one request when it is not larger than `part_bytes`, else in parts, which the
// server joins. What was uploaded of a blob that failed is given up; that of a process that died
// stays until abort_uploads() or a lifecycle rule of the bucket removes it.
Result<> upload_blob(S3Client& client, BlobSource& source, std::size_t part_bytes);

// Gives up the uploads in parts, of blobs, that were begun before `before`, in seconds since 1970
// by the server's clock; of one page that the server tells. How many.
Result<std::size_t> abort_uploads(S3Client& client, std::int64_t before);

}  // namespace selvedge::store::internal
