#pragma once

// The numbers and memory layouts that WASI guests see: `wasi_snapshot_preview1` (WASI preview 1,
// 2020) and `wasi_unstable` (snapshot 0, 2019), wasm32, little-endian. Names follow the witx files
// of WASI without their prefixes. Everything here is a guest-visible contract: a value never
// changes.
//
// Guests are wasm32, so pointers, sizes and file descriptors are 32 bits wide whatever the host is.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace selvedge::wasix {

static_assert(std::endian::native == std::endian::little,
              "guest structures are copied as they are");

// A file descriptor as the guest names it.
using GuestFd = std::uint32_t;
// Nanoseconds; since 1970 for realtime, since the clock's own zero otherwise.
using Timestamp = std::uint64_t;

// The bitwise operators of a set of flags; an enum class opts in by specialising kIsFlagSet.
template <class Flags>
inline constexpr bool kIsFlagSet = false;

template <class Flags>
concept FlagSet = std::is_enum_v<Flags> && kIsFlagSet<Flags>;

template <FlagSet Flags>
constexpr Flags operator|(Flags a, Flags b) noexcept {
  using Rep = std::underlying_type_t<Flags>;
  return static_cast<Flags>(static_cast<Rep>(a) | static_cast<Rep>(b));
}
template <FlagSet Flags>
constexpr Flags operator&(Flags a, Flags b) noexcept {
  using Rep = std::underlying_type_t<Flags>;
  return static_cast<Flags>(static_cast<Rep>(a) & static_cast<Rep>(b));
}
template <FlagSet Flags>
constexpr Flags operator~(Flags a) noexcept {
  using Rep = std::underlying_type_t<Flags>;
  return static_cast<Flags>(static_cast<Rep>(~static_cast<Rep>(a)));
}
template <FlagSet Flags>
constexpr Flags& operator|=(Flags& a, Flags b) noexcept {
  return a = a | b;
}
template <FlagSet Flags>
constexpr Flags& operator&=(Flags& a, Flags b) noexcept {
  return a = a & b;
}
// Whether `all` contains every bit of `wanted`.
template <FlagSet Flags>
constexpr bool has_all(Flags all, Flags wanted) noexcept {
  return (all & wanted) == wanted;
}
template <FlagSet Flags>
constexpr bool has_any(Flags all, Flags wanted) noexcept {
  return (all & wanted) != Flags{};
}

enum class Errno : std::uint16_t {
  kSuccess = 0,
  kTooBig = 1,  // 2big
  kAcces = 2,
  kAddrinuse = 3,
  kAddrnotavail = 4,
  kAfnosupport = 5,
  kAgain = 6,
  kAlready = 7,
  kBadf = 8,
  kBadmsg = 9,
  kBusy = 10,
  kCanceled = 11,
  kChild = 12,
  kConnaborted = 13,
  kConnrefused = 14,
  kConnreset = 15,
  kDeadlk = 16,
  kDestaddrreq = 17,
  kDom = 18,
  kDquot = 19,
  kExist = 20,
  kFault = 21,
  kFbig = 22,
  kHostunreach = 23,
  kIdrm = 24,
  kIlseq = 25,
  kInprogress = 26,
  kIntr = 27,
  kInval = 28,
  kIo = 29,
  kIsconn = 30,
  kIsdir = 31,
  kLoop = 32,
  kMfile = 33,
  kMlink = 34,
  kMsgsize = 35,
  kMultihop = 36,
  kNametoolong = 37,
  kNetdown = 38,
  kNetreset = 39,
  kNetunreach = 40,
  kNfile = 41,
  kNobufs = 42,
  kNodev = 43,
  kNoent = 44,
  kNoexec = 45,
  kNolck = 46,
  kNolink = 47,
  kNomem = 48,
  kNomsg = 49,
  kNoprotoopt = 50,
  kNospc = 51,
  kNosys = 52,
  kNotconn = 53,
  kNotdir = 54,
  kNotempty = 55,
  kNotrecoverable = 56,
  kNotsock = 57,
  kNotsup = 58,
  kNotty = 59,
  kNxio = 60,
  kOverflow = 61,
  kOwnerdead = 62,
  kPerm = 63,
  kPipe = 64,
  kProto = 65,
  kProtonosupport = 66,
  kPrototype = 67,
  kRange = 68,
  kRofs = 69,
  kSpipe = 70,
  kSrch = 71,
  kStale = 72,
  kTimedout = 73,
  kTxtbsy = 74,
  kXdev = 75,
  kNotcapable = 76,
};

enum class Filetype : std::uint8_t {
  kUnknown = 0,
  kBlockDevice = 1,
  kCharacterDevice = 2,
  kDirectory = 3,
  kRegularFile = 4,
  kSocketDgram = 5,
  kSocketStream = 6,
  kSymbolicLink = 7,
};

// What may be done with a file descriptor.
enum class Rights : std::uint64_t {
  kNone = 0,
  kFdDatasync = 1ULL << 0,
  kFdRead = 1ULL << 1,
  kFdSeek = 1ULL << 2,
  kFdFdstatSetFlags = 1ULL << 3,
  kFdSync = 1ULL << 4,
  kFdTell = 1ULL << 5,
  kFdWrite = 1ULL << 6,
  kFdAdvise = 1ULL << 7,
  kFdAllocate = 1ULL << 8,
  kPathCreateDirectory = 1ULL << 9,
  kPathCreateFile = 1ULL << 10,
  kPathLinkSource = 1ULL << 11,
  kPathLinkTarget = 1ULL << 12,
  kPathOpen = 1ULL << 13,
  kFdReaddir = 1ULL << 14,
  kPathReadlink = 1ULL << 15,
  kPathRenameSource = 1ULL << 16,
  kPathRenameTarget = 1ULL << 17,
  kPathFilestatGet = 1ULL << 18,
  kPathFilestatSetSize = 1ULL << 19,
  kPathFilestatSetTimes = 1ULL << 20,
  kFdFilestatGet = 1ULL << 21,
  kFdFilestatSetSize = 1ULL << 22,
  kFdFilestatSetTimes = 1ULL << 23,
  kPathSymlink = 1ULL << 24,
  kPathRemoveDirectory = 1ULL << 25,
  kPathUnlinkFile = 1ULL << 26,
  kPollFdReadwrite = 1ULL << 27,
  kSockShutdown = 1ULL << 28,
  kSockAccept = 1ULL << 29,
  kAll = (1ULL << 30) - 1,
};
template <>
inline constexpr bool kIsFlagSet<Rights> = true;

enum class Fdflags : std::uint16_t {
  kNone = 0,
  kAppend = 1,
  kDsync = 2,
  kNonblock = 4,
  kRsync = 8,
  kSync = 16,
  kAll = 31,
};
template <>
inline constexpr bool kIsFlagSet<Fdflags> = true;

enum class Oflags : std::uint16_t {
  kNone = 0,
  kCreat = 1,
  kDirectory = 2,
  kExcl = 4,
  kTrunc = 8,
  kAll = 15,
};
template <>
inline constexpr bool kIsFlagSet<Oflags> = true;

enum class Lookupflags : std::uint32_t { kNone = 0, kSymlinkFollow = 1, kAll = 1 };
template <>
inline constexpr bool kIsFlagSet<Lookupflags> = true;

enum class Fstflags : std::uint16_t {
  kNone = 0,
  kAtim = 1,
  kAtimNow = 2,
  kMtim = 4,
  kMtimNow = 8,
  kAll = 15,
};
template <>
inline constexpr bool kIsFlagSet<Fstflags> = true;

enum class Advice : std::uint8_t {
  kNormal = 0,
  kSequential = 1,
  kRandom = 2,
  kWillneed = 3,
  kDontneed = 4,
  kNoreuse = 5,
};

// preview 1's numbering.
enum class Whence : std::uint8_t { kSet = 0, kCur = 1, kEnd = 2 };
// snapshot 0 counts differently.
enum class Snapshot0Whence : std::uint8_t { kCur = 0, kEnd = 1, kSet = 2 };

enum class Clockid : std::uint32_t {
  kRealtime = 0,
  kMonotonic = 1,
  kProcessCputimeId = 2,
  kThreadCputimeId = 3,
};

enum class Eventtype : std::uint8_t { kClock = 0, kFdRead = 1, kFdWrite = 2 };

enum class Eventrwflags : std::uint16_t { kNone = 0, kHangup = 1 };
template <>
inline constexpr bool kIsFlagSet<Eventrwflags> = true;

enum class Subclockflags : std::uint16_t { kNone = 0, kAbstime = 1 };
template <>
inline constexpr bool kIsFlagSet<Subclockflags> = true;

enum class Preopentype : std::uint8_t { kDir = 0 };

enum class Riflags : std::uint16_t {
  kNone = 0,
  kRecvPeek = 1,
  kRecvWaitall = 2,
  // WASIX: the count is the whole length of the datagram, as MSG_TRUNC says; and MSG_DONTWAIT.
  kRecvDataTruncated = 4,
  kRecvDontWait = 8,
  kAll = 15,
};
template <>
inline constexpr bool kIsFlagSet<Riflags> = true;

enum class Roflags : std::uint16_t { kNone = 0, kRecvDataTruncated = 1 };
enum class Sdflags : std::uint8_t { kNone = 0, kRd = 1, kWr = 2, kAll = 3 };
template <>
inline constexpr bool kIsFlagSet<Sdflags> = true;

// As wasix-libc numbers them, which is as Linux does. Preview 1 has no kStkflt, and all that follow
// are one lower there (preview1_signal()).
enum class Signal : std::uint8_t {
  kNone = 0,
  kHup = 1,
  kInt = 2,
  kQuit = 3,
  kIll = 4,
  kTrap = 5,
  kAbrt = 6,
  kBus = 7,
  kFpe = 8,
  kKill = 9,
  kUsr1 = 10,
  kSegv = 11,
  kUsr2 = 12,
  kPipe = 13,
  kAlrm = 14,
  kTerm = 15,
  kStkflt = 16,
  kChld = 17,
  kCont = 18,
  kStop = 19,
  kTstp = 20,
  kTtin = 21,
  kTtou = 22,
  kUrg = 23,
  kXcpu = 24,
  kXfsz = 25,
  kVtalrm = 26,
  kProf = 27,
  kWinch = 28,
  kPoll = 29,
  kPwr = 30,
  kSys = 31,
};

inline constexpr auto kSignalMax = static_cast<std::uint32_t>(Signal::kSys);

// The number that preview 1's `number` has here.
constexpr std::uint32_t preview1_signal(std::uint32_t number) noexcept {
  return number < static_cast<std::uint32_t>(Signal::kStkflt) ? number : number + 1;
}

namespace abi {

// iovec and ciovec: one buffer of the guest.
struct Iovec {
  std::uint32_t buf;
  std::uint32_t len;
};
static_assert(sizeof(Iovec) == 8 && offsetof(Iovec, len) == 4);

struct Fdstat {
  Filetype filetype;
  std::uint8_t padding0;
  Fdflags flags;
  std::uint32_t padding1;
  Rights rights_base;
  Rights rights_inheriting;
};
static_assert(sizeof(Fdstat) == 24 && offsetof(Fdstat, flags) == 2 &&
              offsetof(Fdstat, rights_base) == 8 && offsetof(Fdstat, rights_inheriting) == 16);

struct Filestat {
  std::uint64_t dev;
  std::uint64_t ino;
  Filetype filetype;
  std::uint8_t padding[7];
  std::uint64_t nlink;
  std::uint64_t size;
  Timestamp atim;
  Timestamp mtim;
  Timestamp ctim;
};
static_assert(sizeof(Filestat) == 64 && offsetof(Filestat, filetype) == 16 &&
              offsetof(Filestat, nlink) == 24 && offsetof(Filestat, size) == 32 &&
              offsetof(Filestat, atim) == 40 && offsetof(Filestat, ctim) == 56);

// snapshot 0: the link count has 32 bits, which moves everything behind it.
struct Snapshot0Filestat {
  std::uint64_t dev;
  std::uint64_t ino;
  Filetype filetype;
  std::uint8_t padding[3];
  std::uint32_t nlink;
  std::uint64_t size;
  Timestamp atim;
  Timestamp mtim;
  Timestamp ctim;
};
static_assert(sizeof(Snapshot0Filestat) == 56 && offsetof(Snapshot0Filestat, nlink) == 20 &&
              offsetof(Snapshot0Filestat, size) == 24 && offsetof(Snapshot0Filestat, ctim) == 48);

// Followed in the buffer by `namlen` bytes of name, without padding or terminator.
struct Dirent {
  std::uint64_t next;
  std::uint64_t ino;
  std::uint32_t namlen;
  Filetype filetype;
  std::uint8_t padding[3];
};
static_assert(sizeof(Dirent) == 24 && offsetof(Dirent, namlen) == 16 &&
              offsetof(Dirent, filetype) == 20);

struct Prestat {
  Preopentype tag;
  std::uint8_t padding[3];
  std::uint32_t name_len;
};
static_assert(sizeof(Prestat) == 8 && offsetof(Prestat, name_len) == 4);

struct Event {
  std::uint64_t userdata;
  Errno error;
  Eventtype type;
  std::uint8_t padding0[5];
  std::uint64_t nbytes;
  Eventrwflags flags;
  std::uint8_t padding1[6];
};
static_assert(sizeof(Event) == 32 && offsetof(Event, error) == 8 && offsetof(Event, type) == 10 &&
              offsetof(Event, nbytes) == 16 && offsetof(Event, flags) == 24);

// The union at offset 16 is laid out for its widest member; for fd_read and fd_write its first word
// is the descriptor.
struct Subscription {
  std::uint64_t userdata;
  std::uint8_t type;  // Eventtype, not yet validated
  std::uint8_t padding0[7];
  std::uint32_t fd_or_clock;
  std::uint32_t padding1;
  Timestamp timeout;
  Timestamp precision;
  Subclockflags flags;
  std::uint8_t padding2[6];
};
static_assert(sizeof(Subscription) == 48 && offsetof(Subscription, fd_or_clock) == 16 &&
              offsetof(Subscription, timeout) == 24 && offsetof(Subscription, flags) == 40);

// snapshot 0: a clock subscription begins with a second user-defined identifier.
struct Snapshot0Subscription {
  std::uint64_t userdata;
  std::uint8_t type;
  std::uint8_t padding0[7];
  union {
    std::uint64_t clock_identifier;
    std::uint32_t fd;
  };
  std::uint32_t clock;
  std::uint32_t padding1;
  Timestamp timeout;
  Timestamp precision;
  Subclockflags flags;
  std::uint8_t padding2[6];
};
static_assert(sizeof(Snapshot0Subscription) == 56 && offsetof(Snapshot0Subscription, fd) == 16 &&
              offsetof(Snapshot0Subscription, clock) == 24 &&
              offsetof(Snapshot0Subscription, timeout) == 32 &&
              offsetof(Snapshot0Subscription, flags) == 48);

}  // namespace abi

}  // namespace selvedge::wasix
