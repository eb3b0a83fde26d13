#pragma once

namespace selvedge::io {

// Raises the soft limit of open files to the hard one: connections and the files of guests share
// one table of descriptors, and Debian's soft limit is 1,024. Nothing of ours uses select(2), which
// is what that limit protects; a refusal leaves things as they are. At start, before any thread.
void raise_descriptor_limit() noexcept;

}  // namespace selvedge::io
