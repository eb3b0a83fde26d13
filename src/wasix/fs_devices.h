#pragma once

// What a guest finds in /dev. The tree never changes and is shared by any number of processes; with
// merge_file_systems (fs_merged.h) it appears beside the files that a guest is given. What opening
// a device gives is up to who opens it: device_handle.h.

#include <memory>

#include "base/clock.h"
#include "wasix/file_system.h"
#include "wasix/fs_memory.h"

namespace selvedge::wasix {

// A root with /dev, in which are null, zero, full, random, urandom, stdin, stdout, stderr and tty.
// Any thread. `clock`: for the files' times.
std::shared_ptr<FileSystem> make_device_file_system(const base::Clock& clock);

// `devices` with `/dev/shm`, a folder in memory: what shm_open(3) and named semaphores are kept in.
// `keeps_changes`: it is one workload's, whose changes it takes, in all of its `/dev`; else it
// never changes, and is for a layer above.
std::shared_ptr<FileSystem> add_shared_memory(FileSystem& devices,
                                              const MemoryFileSystemOptions& options,
                                              bool keeps_changes);

}  // namespace selvedge::wasix
