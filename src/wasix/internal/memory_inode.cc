#include "wasix/internal/memory_inode.h"

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "base/assert.h"

namespace selvedge::wasix::internal {
namespace {

constexpr std::uint64_t kLowerInoBit = std::uint64_t{1} << 63;

std::uint64_t mix(std::uint64_t value) noexcept {  // the finaliser of SplitMix64
  value = (value ^ (value >> 30U)) * 0xbf58476d1ce4e5b9ULL;
  value = (value ^ (value >> 27U)) * 0x94d049bb133111ebULL;
  return value ^ (value >> 31U);
}

}  // namespace

Timestamp MemoryVolume::now() const noexcept {
  const auto since_epoch = clock.wall_now().time_since_epoch().count();
  return since_epoch < 0 ? 0 : static_cast<Timestamp>(since_epoch);
}

std::uint64_t MemoryVolume::ino_of_lower(const FileStat& lower) noexcept {
  return kLowerInoBit | (lower.ino ^ mix(lower.dev));
}

FileStat MemoryVolume::stat_of_lower(const FileStat& lower) const noexcept {
  FileStat stat = lower;
  stat.dev = device;
  stat.ino = ino_of_lower(lower);
  return stat;
}

MemoryInode::MemoryInode(std::shared_ptr<MemoryVolume> volume, Filetype filetype) noexcept
    : volume_(std::move(volume)) {
  const Timestamp now = volume_->now();
  attributes_ = {.dev = volume_->device,
                 .ino = volume_->next_ino++,
                 .filetype = filetype,
                 .nlink = filetype == Filetype::kDirectory ? 2U : 0U,
                 .size = 0,
                 .atim = now,
                 .mtim = now,
                 .ctim = now};
}

MemoryInode::MemoryInode(std::shared_ptr<MemoryVolume> volume, const FileStat& lower) noexcept
    : volume_(std::move(volume)), attributes_(volume_->stat_of_lower(lower)) {}

FileStat MemoryInode::stat() const noexcept {
  FileStat stat = attributes_;
  stat.size = size();
  return stat;
}

void MemoryInode::set_times(const TimesChange& times) noexcept {
  const Timestamp now = volume_->now();
  const auto apply = [now](Timestamp& time, const TimeChange& change) {
    if (change.kind != TimeChange::Kind::kKeep) {
      time = change.kind == TimeChange::Kind::kNow ? now : change.value;
    }
  };
  apply(attributes_.atim, times.atim);
  apply(attributes_.mtim, times.mtim);
  attributes_.ctim = now;
}

void MemoryInode::changed() noexcept { attributes_.ctim = volume_->now(); }

void MemoryInode::modified() noexcept {
  attributes_.mtim = volume_->now();
  attributes_.ctim = attributes_.mtim;
}

void MemoryInode::add_links(std::int64_t count) noexcept {
  const auto removed = static_cast<std::uint64_t>(-count);
  // Some file systems give every directory one link, so a lower count can be too small.
  attributes_.nlink = count >= 0 ? attributes_.nlink + static_cast<std::uint64_t>(count)
                                 : attributes_.nlink - std::min(attributes_.nlink, removed);
}

void MemoryInode::accessed() noexcept {
  if (!volume_->frozen && attributes_.atim <= attributes_.mtim) {
    attributes_.atim = volume_->now();
  }
}

MemoryRegular::MemoryRegular(std::shared_ptr<MemoryVolume> volume)
    : MemoryInode(volume, Filetype::kRegularFile), content_(volume->quota, 0) {}

MemoryRegular::MemoryRegular(std::shared_ptr<MemoryVolume> volume, const FileStat& lower,
                             std::shared_ptr<DirectoryNode> directory, std::string name)
    : MemoryInode(volume, lower),
      content_(volume->quota, lower.size),
      lower_directory_(std::move(directory)),
      lower_name_(std::move(name)) {}

ErrnoResult<std::shared_ptr<File>> MemoryRegular::open_lower() {
  if (lower_directory_ == nullptr) {
    return nullptr;
  }
  if (auto file = lower_.lock()) {
    return file;
  }
  auto file = lower_directory_->open_file(lower_name_, {.read = true});
  if (file) {
    lower_ = *file;
  }
  return file;
}

MemoryDirectory::MemoryDirectory(std::shared_ptr<MemoryVolume> volume,
                                 const MemoryDirectory* parent)
    : MemoryInode(std::move(volume), Filetype::kDirectory),
      linked_lower_files_(parent == nullptr ? std::make_shared<LinkedLowerFiles>()
                                            : parent->linked_lower_files_) {}

MemoryDirectory::MemoryDirectory(std::shared_ptr<MemoryVolume> volume,
                                 const MemoryDirectory* parent, const FileStat& lower_stat,
                                 std::shared_ptr<DirectoryNode> lower)
    : MemoryInode(std::move(volume), lower_stat),
      linked_lower_files_(parent == nullptr ? std::make_shared<LinkedLowerFiles>()
                                            : parent->linked_lower_files_),
      lower_(std::move(lower)),
      lower_dev_(lower_stat.dev) {}

// A guest can nest directories without bound, so they are not destroyed by recursion.
MemoryDirectory::~MemoryDirectory() {
  std::vector<std::shared_ptr<MemoryInode>> doomed;
  const auto empty_into_doomed = [&doomed](MemoryDirectory& directory) {
    for (auto& [cookie, entry] : directory.entries_) {
      if (!entry.covers_lower) {
        directory.volume().quota.give_entry();
      }
      doomed.push_back(std::move(entry.inode));
    }
    directory.entries_.clear();
  };
  empty_into_doomed(*this);
  while (!doomed.empty()) {
    const std::shared_ptr<MemoryInode> inode = std::move(doomed.back());
    doomed.pop_back();
    if (inode.use_count() == 1 && inode->filetype() == Filetype::kDirectory) {
      empty_into_doomed(static_cast<MemoryDirectory&>(*inode));
    }
  }
}

const MemoryDirectory::Entry* MemoryDirectory::entry(std::string_view name) const {
  const auto cookie = cookies_.find(name);
  return cookie == cookies_.end() ? nullptr : &entries_.at(cookie->second);
}

ErrnoResult<FileStat> MemoryDirectory::stat_name(std::string_view name) {
  if (const Entry* found = entry(name)) {
    return found->inode->stat();
  }
  if (lower_ == nullptr || hidden_.contains(name)) {
    return refuse(Errno::kNoent);
  }
  auto stat = lower_->stat(name);
  if (!stat) {
    return stat;
  }
  if (stat->filetype == Filetype::kRegularFile && stat->nlink > 1) {
    auto inode = cover_lower(name);  // its other name may have been written
    return inode ? ErrnoResult<FileStat>((*inode)->stat()) : refuse(inode.error());
  }
  return volume().stat_of_lower(*stat);
}

ErrnoResult<std::shared_ptr<MemoryInode>> MemoryDirectory::find(std::string_view name) {
  if (const Entry* found = entry(name)) {
    return found->inode;
  }
  if (lower_ == nullptr || hidden_.contains(name)) {
    return refuse(Errno::kNoent);
  }
  return cover_lower(name);
}

bool MemoryDirectory::is_lower_device(std::string_view name) const {
  if (lower_ == nullptr || entry(name) != nullptr || hidden_.contains(name)) {
    return false;
  }
  const auto stat = lower_->stat(name);
  return stat && stat->filetype == Filetype::kCharacterDevice;
}

ErrnoResult<std::shared_ptr<MemoryInode>> MemoryDirectory::cover_lower(std::string_view name) {
  const auto stat = lower_->stat(name);
  if (!stat) {
    return refuse(stat.error());
  }
  std::shared_ptr<MemoryInode> inode;
  switch (stat->filetype) {
    case Filetype::kDirectory: {
      auto directory = lower_->enter(name);
      if (!directory) {
        return refuse(directory.error());
      }
      auto covered = std::make_shared<MemoryDirectory>(shared_volume(), this, *stat, *directory);
      covered->parent_ = weak_from_this();
      inode = std::move(covered);
      break;
    }
    case Filetype::kRegularFile: {
      const std::uint64_t ino = MemoryVolume::ino_of_lower(*stat);
      if (const auto known = linked_lower_files_->find(ino); known != linked_lower_files_->end()) {
        inode = known->second;
        break;
      }
      inode = std::make_shared<MemoryRegular>(shared_volume(), *stat, lower_, std::string(name));
      if (stat->nlink > 1) {
        linked_lower_files_->emplace(ino, inode);
      }
      break;
    }
    case Filetype::kSymbolicLink: {
      auto target = lower_->read_link(name);
      if (!target) {
        return refuse(target.error());
      }
      inode = std::make_shared<MemoryLink>(shared_volume(), *stat, std::move(*target));
      break;
    }
    default:
      return refuse(Errno::kAcces);
  }
  insert(name, inode, true);
  return inode;
}

bool MemoryDirectory::is_empty() {
  if (!entries_.empty()) {
    return false;
  }
  if (lower_ == nullptr) {
    return true;
  }
  struct FirstVisible final : DirectoryEntrySink {
    explicit FirstVisible(const MemoryDirectory& directory) : directory_(directory) {}
    bool add(const DirectoryEntry& entry) override {
      found_ = directory_.show_lower(entry).has_value();
      return !found_;
    }
    const MemoryDirectory& directory_;
    bool found_ = false;
  };
  auto reader = lower_->reader();
  if (!reader) {
    return false;
  }
  FirstVisible sink(*this);
  return (*reader)->read(0, sink) && !sink.found_;
}

std::optional<DirectoryEntry> MemoryDirectory::show_lower(const DirectoryEntry& lower) const {
  if (lower.name == "." || lower.name == ".." || hidden_.contains(lower.name)) {
    return std::nullopt;
  }
  DirectoryEntry shown = lower;
  if (const Entry* found = entry(lower.name)) {
    if (!found->covers_lower) {
      return std::nullopt;
    }
    shown.ino = found->inode->ino();
    return shown;
  }
  shown.ino = MemoryVolume::ino_of_lower({.dev = lower_dev_, .ino = lower.ino});
  return shown;
}

void MemoryDirectory::insert(std::string_view name, std::shared_ptr<MemoryInode> inode,
                             bool covers_lower) {
  const std::uint64_t cookie = next_cookie_++;
  cookies_.insert_or_assign(std::string(name), cookie);
  entries_.emplace(
      cookie,
      Entry{.name = std::string(name), .inode = std::move(inode), .covers_lower = covers_lower});
}

std::shared_ptr<MemoryInode> MemoryDirectory::take(std::string_view name) {
  const auto cookie = cookies_.find(name);
  SELVEDGE_ASSERT(cookie != cookies_.end());
  const auto position = entries_.find(cookie->second);
  std::shared_ptr<MemoryInode> inode = std::move(position->second.inode);
  if (position->second.covers_lower) {
    hidden_.insert(position->second.name);
  } else {
    volume().quota.give_entry();
  }
  entries_.erase(position);
  cookies_.erase(cookie);
  return inode;
}

ErrnoResult<> MemoryDirectory::add(std::string_view name, std::shared_ptr<MemoryInode> inode) {
  if (removed_) {
    return refuse(Errno::kNoent);
  }
  if (!volume().quota.take_entry()) {
    return refuse(Errno::kNospc);
  }
  if (inode->filetype() == Filetype::kDirectory) {
    static_cast<MemoryDirectory&>(*inode).parent_ = weak_from_this();
    add_links(1);
  } else {
    inode->add_links(1);
    inode->changed();
  }
  insert(name, std::move(inode), false);
  modified();
  return {};
}

// The inode lost a name in this directory.
void MemoryDirectory::detach(const std::shared_ptr<MemoryInode>& inode) noexcept {
  if (inode->filetype() == Filetype::kDirectory) {
    auto& directory = static_cast<MemoryDirectory&>(*inode);
    directory.removed_ = true;
    directory.add_links(-2);
    add_links(-1);
  } else {
    inode->add_links(-1);
    if (inode->stat().nlink == 0) {
      linked_lower_files_->erase(inode->ino());
    }
  }
  inode->changed();
}

ErrnoResult<> MemoryDirectory::remove(std::string_view name) {
  if (auto inode = find(name); !inode) {
    if (inode.error() != Errno::kAcces) {
      return refuse(inode.error());
    }
    hidden_.insert(std::string(name));  // a special file of the lower directory
  } else {
    detach(take(name));
  }
  modified();
  return {};
}

ErrnoResult<> MemoryDirectory::move(std::string_view name, MemoryDirectory& to,
                                    std::string_view new_name) {
  if (to.removed_) {
    return refuse(Errno::kNoent);
  }
  if (auto source = find(name); !source) {
    return refuse(source.error());
  }
  // An entry that covers a lower one was not charged; it will be where it goes.
  if (entry(name)->covers_lower && !volume().quota.take_entry()) {
    return refuse(Errno::kNospc);
  }
  if (to.contains(new_name)) {
    if (auto removed = to.remove(new_name); !removed) {
      return removed;
    }
  }
  const bool was_charged = !entry(name)->covers_lower;
  const std::shared_ptr<MemoryInode> inode = take(name);
  if (was_charged) {
    SELVEDGE_ASSERT(volume().quota.take_entry());  // the one that take() gave back
  }
  if (inode->filetype() == Filetype::kDirectory) {
    static_cast<MemoryDirectory&>(*inode).parent_ = to.weak_from_this();
    add_links(-1);
    to.add_links(1);
  }
  inode->changed();
  to.insert(new_name, inode, false);
  modified();
  to.modified();
  return {};
}

bool MemoryDirectory::is_in_or_below(const MemoryDirectory& other) {
  for (auto directory = shared_from_this(); directory != nullptr; directory = directory->parent()) {
    if (directory.get() == &other) {
      return true;
    }
  }
  return false;
}

}  // namespace selvedge::wasix::internal
