#include "engine/atomics.h"

#include <cstdint>

#include "engine/module_info.h"

namespace selvedge::engine {
namespace {

// Traps as the instruction would for its address; false after a trap.
bool check_address(HostContext& guest, std::uint32_t address, std::uint32_t offset,
                   std::uint32_t size) {
  const std::uint64_t effective = std::uint64_t{address} + offset;
  if (!guest.memory().bytes(effective, size)) {
    guest.trap("out of bounds memory access");
    return false;
  }
  if (effective % size != 0) {
    guest.trap("unaligned atomic");
    return false;
  }
  return true;
}

std::uint32_t wait_unshared(HostContext& guest, std::uint32_t address, std::uint32_t offset,
                            std::uint32_t size) {
  if (check_address(guest, address, offset, size)) {
    guest.trap("atomic wait on non-shared memory");
  }
  return 0;
}

std::uint32_t wait32(HostContext& guest, std::uint32_t address, std::uint32_t /*expected*/,
                     std::int64_t /*timeout_ns*/, std::uint32_t offset) {
  return wait_unshared(guest, address, offset, sizeof(std::uint32_t));
}

std::uint32_t wait64(HostContext& guest, std::uint32_t address, std::uint64_t /*expected*/,
                     std::int64_t /*timeout_ns*/, std::uint32_t offset) {
  return wait_unshared(guest, address, offset, sizeof(std::uint64_t));
}

std::uint32_t notify(HostContext& guest, std::uint32_t address, std::uint32_t /*count*/,
                     std::uint32_t offset) {
  check_address(guest, address, offset, sizeof(std::uint32_t));
  return 0;
}

}  // namespace

void define_unshared_atomics(HostFunctions& functions) {
  functions.define<&wait32>(kRewriteHostModule, "memory_atomic_wait32");
  functions.define<&wait64>(kRewriteHostModule, "memory_atomic_wait64");
  functions.define<&notify>(kRewriteHostModule, "memory_atomic_notify");
}

}  // namespace selvedge::engine
