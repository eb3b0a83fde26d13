// Goal: the order in which entries run is fair between tenants and between the groups of a tenant,
// and quick for those that use little. Method: the queue as pure data; time is what the test
// charges.

#include "engine/run_queue.h"

#include <gtest/gtest.h>

#include <array>
#include <deque>
#include <map>
#include <vector>

#include "base/random.h"

namespace selvedge::engine {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr TenantId kFirst{1};
constexpr TenantId kSecond{2};

// A group with one entry.
struct Single {
  explicit Single(TenantId tenant, std::uint32_t weight = kTenantWeightDefault)
      : group(tenant, weight) {}
  RunQueue::Group group;
  RunQueue::Entry entry;
};

void attach_and_push(RunQueue& queue, Single& single) {
  queue.attach(single.entry, single.group);
  queue.push(single.entry);
}

// Runs `turns` turns in which each entry uses a whole slice and stays ready; counts them by entry.
std::map<RunQueue::Entry*, int> spin(RunQueue& queue, int turns) {
  std::map<RunQueue::Entry*, int> counts;
  for (int turn = 0; turn < turns; ++turn) {
    RunQueue::Entry* entry = queue.pop();
    ++counts[entry];
    queue.charge(*entry, milliseconds(1), true);
    queue.push(*entry);
  }
  return counts;
}

TEST(RunQueue, Empty_PopsNothing) {
  RunQueue queue;
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.pop(), nullptr);
}

TEST(RunQueue, OneGroup_RunsInOrderOfReadiness) {
  RunQueue queue;
  RunQueue::Group group(kFirst);
  std::array<RunQueue::Entry, 3> entries;
  for (auto& entry : entries) {
    queue.attach(entry, group);
    queue.push(entry);
  }
  queue.push(entries[0]);  // already queued: no effect
  EXPECT_EQ(queue.ready_count(), 3u);
  for (auto& entry : entries) {
    EXPECT_EQ(queue.pop(), &entry);
  }
  EXPECT_TRUE(queue.empty());
  for (auto& entry : entries) {
    queue.detach(entry);
  }
  EXPECT_EQ(queue.tenant_count(), 0u);
}

TEST(RunQueue, TwoSpinningTenants_GetEqualTurns) {
  RunQueue queue;
  Single a(kFirst);
  Single b(kSecond);
  attach_and_push(queue, a);
  attach_and_push(queue, b);
  auto counts = spin(queue, 1000);
  EXPECT_EQ(counts[&a.entry], 500);
  EXPECT_EQ(counts[&b.entry], 500);
  queue.detach(a.entry);
  queue.detach(b.entry);
}

TEST(RunQueue, ManyGroupsOfOneTenant_DoNotCrowdOutAnother) {
  RunQueue queue;
  std::deque<Single> crowd;
  for (int index = 0; index < 50; ++index) {
    attach_and_push(queue, crowd.emplace_back(kFirst));
  }
  Single single(kSecond);
  attach_and_push(queue, single);
  auto counts = spin(queue, 1000);
  EXPECT_NEAR(counts[&single.entry], 500, 1);
  for (Single& each : crowd) {
    EXPECT_NEAR(counts[&each.entry], 10, 1);
    queue.detach(each.entry);
  }
  queue.detach(single.entry);
}

TEST(RunQueue, ManyEntriesOfOneGroup_DoNotCrowdOutAnotherOfItsTenant) {
  RunQueue queue;
  RunQueue::Group group(kFirst);
  std::deque<RunQueue::Entry> crowd(50);
  for (auto& entry : crowd) {
    queue.attach(entry, group);
    queue.push(entry);
  }
  Single single(kFirst);
  attach_and_push(queue, single);
  auto counts = spin(queue, 1000);
  EXPECT_NEAR(counts[&single.entry], 500, 1);
  for (auto& entry : crowd) {
    EXPECT_GE(counts[&entry], 9);
    queue.detach(entry);
  }
  queue.detach(single.entry);
}

TEST(RunQueue, Weight_GivesTurnsInProportion) {
  RunQueue queue;
  Single heavy(kFirst, 3 * kTenantWeightDefault);
  Single light(kSecond);
  attach_and_push(queue, heavy);
  attach_and_push(queue, light);
  auto counts = spin(queue, 4000);
  EXPECT_NEAR(counts[&heavy.entry], 3000, 3);
  queue.detach(heavy.entry);
  queue.detach(light.entry);
}

TEST(RunQueue, BackFromIdleness_RunsNextButSavesNothingUp) {
  for (const TenantId tenant : {kFirst, kSecond}) {
    RunQueue queue;
    Single burner(kFirst);
    Single sleeper(tenant);
    attach_and_push(queue, burner);
    spin(queue, 1000);
    attach_and_push(queue, sleeper);
    EXPECT_EQ(queue.pop(), &sleeper.entry);
    queue.charge(sleeper.entry, milliseconds(1), true);
    queue.push(sleeper.entry);
    // One slice of credit at most: then they alternate.
    auto counts = spin(queue, 100);
    EXPECT_NEAR(counts[&sleeper.entry], 50, 2);
    queue.detach(burner.entry);
    queue.detach(sleeper.entry);
  }
}

// Requests that come without end, each new and short, against one that burns: it gets its share and
// no more.
TEST(RunQueue, NewcomersWithoutEnd_NeitherStarveNorFeedABurner) {
  RunQueue queue;
  Single burner(kFirst);
  attach_and_push(queue, burner);
  spin(queue, 20);
  constexpr std::size_t kWaiting = 9;
  std::deque<Single> requests;
  milliseconds burned{0};
  microseconds served{0};
  for (int turn = 0; turn < 20'000; ++turn) {
    while (queue.ready_count() < kWaiting + 1) {
      attach_and_push(queue, requests.emplace_back(kFirst));
    }
    RunQueue::Entry* entry = queue.pop();
    if (entry == &burner.entry) {
      queue.charge(*entry, milliseconds(1), true);
      queue.push(*entry);
      burned += milliseconds(1);
      continue;
    }
    EXPECT_EQ(entry, &requests.front().entry);  // in order
    queue.charge(*entry, microseconds(50), false);
    queue.detach(*entry);
    requests.pop_front();
    served += microseconds(50);
  }
  EXPECT_NEAR(static_cast<double>(burned / microseconds(1)) * kWaiting,
              static_cast<double>(served.count()), 0.15 * static_cast<double>(served.count()));
  for (Single& each : requests) {
    queue.detach(each.entry);
  }
  queue.detach(burner.entry);
}

TEST(RunQueue, LongTurn_IsDoubtedOnceAndThenMeasured) {
  RunQueue::Group group(kFirst);
  EXPECT_EQ(group.to_charge(microseconds(40), false), microseconds(40));
  EXPECT_FALSE(group.measured_exactly());
  EXPECT_EQ(group.to_charge(milliseconds(4), false), kLongTurn);
  for (int turn = 0; turn < kExactTurns; ++turn) {
    EXPECT_TRUE(group.measured_exactly());
    EXPECT_EQ(group.to_charge(microseconds(5), true), microseconds(5));
  }
  EXPECT_FALSE(group.measured_exactly());
  EXPECT_EQ(group.to_charge(milliseconds(4), false), milliseconds(4));
  EXPECT_EQ(group.to_charge(milliseconds(1), true), milliseconds(1));
  EXPECT_TRUE(group.measured_exactly());
}

TEST(RunQueue, DebtOfATenantThatLeaves_IsFoundAgain) {
  RunQueue queue;
  Single other(kSecond);
  Single first(kFirst);
  attach_and_push(queue, first);
  EXPECT_EQ(queue.pop(), &first.entry);
  attach_and_push(queue, other);
  queue.charge(first.entry, milliseconds(200), true);
  queue.detach(first.entry);

  Single again(kFirst);
  attach_and_push(queue, again);
  auto counts = spin(queue, 90);
  EXPECT_EQ(counts[&again.entry], 0);
  queue.detach(again.entry);
  queue.detach(other.entry);
}

TEST(RunQueue, Burner_YieldsToItsGroupsQuickEntriesButIsNotStarved) {
  RunQueue queue;
  RunQueue::Group group(kFirst);
  RunQueue::Entry burner;
  RunQueue::Entry quick;
  queue.attach(burner, group);
  queue.attach(quick, group);
  queue.push(burner);
  spin(queue, kBurnedSlicesMax);
  EXPECT_TRUE(burner.burner());

  int burner_turns = 0;
  for (int turn = 0; turn < 800; ++turn) {
    queue.push(quick);
    RunQueue::Entry* entry = queue.pop();
    burner_turns += entry == &burner ? 1 : 0;
    queue.charge(*entry, microseconds(10), entry == &burner);
    if (entry == &burner) {
      queue.push(burner);
    }
  }
  EXPECT_NEAR(burner_turns, 800 / static_cast<int>(kBurnerTurn), 2);

  queue.detach(quick);
  EXPECT_EQ(queue.pop(), &burner);
  queue.charge(burner, microseconds(10), false);
  EXPECT_FALSE(burner.burner());
  queue.detach(burner);
}

TEST(RunQueue, Detach_OfAQueuedEntry_TakesItOut) {
  RunQueue queue;
  RunQueue::Group group(kFirst);
  std::array<RunQueue::Entry, 3> entries;
  for (auto& entry : entries) {
    queue.attach(entry, group);
    queue.push(entry);
  }
  queue.detach(entries[1]);
  EXPECT_EQ(queue.pop(), &entries[0]);
  EXPECT_EQ(queue.pop(), &entries[2]);
  EXPECT_EQ(queue.pop(), nullptr);
  queue.detach(entries[0]);
  queue.detach(entries[2]);
}

// Random operations; nothing is lost, nothing runs twice, every ready entry runs in time.
TEST(RunQueue, RandomOperations_LoseNothing) {
  constexpr std::uint64_t kSeed = 20261122;
  SCOPED_TRACE(::testing::Message() << "seed " << kSeed);
  base::SeededRandom random(kSeed);
  RunQueue queue;
  std::deque<RunQueue::Group> groups;
  for (std::uint64_t index = 0; index < 60; ++index) {
    groups.emplace_back(TenantId(index % 20), static_cast<std::uint32_t>(1 + random.below(4096)));
  }
  std::deque<RunQueue::Entry> entries(200);
  std::size_t ready = 0;
  for (int step = 0; step < 200'000; ++step) {
    RunQueue::Entry& entry = entries[random.below(entries.size())];
    switch (random.below(4)) {
      case 0:
        if (!entry.attached()) {
          queue.attach(entry, groups[random.below(groups.size())]);
        }
        break;
      case 1:
        if (entry.attached()) {
          ready -= entry.queued() ? 1 : 0;
          queue.detach(entry);
        }
        break;
      case 2:
        if (entry.attached() && !entry.queued()) {
          queue.push(entry);
          ++ready;
        }
        break;
      default:
        if (RunQueue::Entry* next = queue.pop()) {
          --ready;
          ASSERT_TRUE(next->attached());
          ASSERT_FALSE(next->queued());
          queue.charge(*next, microseconds(random.below(1000)), random.below(2) == 0);
        }
    }
    ASSERT_EQ(queue.ready_count(), ready);
  }
  for (auto& entry : entries) {
    if (entry.attached()) {
      queue.detach(entry);
    }
  }
  EXPECT_TRUE(queue.empty());
}

}  // namespace
}  // namespace selvedge::engine
