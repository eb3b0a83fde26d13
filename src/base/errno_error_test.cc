#include "base/errno_error.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace selvedge::base {
namespace {

TEST(ErrnoError, SaysWhatToDoAndWhere) {
  struct Case {
    int number;
    ErrorKind kind;
    const char* message;
  };
  for (const Case& c : {Case{ENOENT, ErrorKind::kNotFound, "/a/b: no such file"},
                        Case{EACCES, ErrorKind::kDenied, "/a/b: permission denied"},
                        Case{EROFS, ErrorKind::kDenied, "/a/b: the disk is read-only"},
                        Case{ENOSPC, ErrorKind::kOverloaded, "/a/b: the disk is full"},
                        Case{EMFILE, ErrorKind::kOverloaded, "/a/b: too many open files"},
                        Case{EIO, ErrorKind::kInternal, "/a/b: Input/output error"}}) {
    const Error error = errno_error(c.number, "/a/b");
    EXPECT_EQ(error.kind(), c.kind) << c.message;
    EXPECT_EQ(error.message(), c.message);
  }
}

}  // namespace
}  // namespace selvedge::base
