// Goal: the order in which entries run is fair between tenants and quick for those that use little.
// Method: the queue as pure data; time is what the test charges.

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

TEST(RunQueue, OneTenant_RunsInOrderOfReadiness) {
  RunQueue queue;
  std::array<RunQueue::Entry, 3> entries;
  for (auto& entry : entries) {
    queue.attach(entry, kFirst, kTenantWeightDefault);
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
  RunQueue::Entry a;
  RunQueue::Entry b;
  queue.attach(a, kFirst, kTenantWeightDefault);
  queue.attach(b, kSecond, kTenantWeightDefault);
  queue.push(a);
  queue.push(b);
  auto counts = spin(queue, 1000);
  EXPECT_EQ(counts[&a], 500);
  EXPECT_EQ(counts[&b], 500);
  queue.detach(a);
  queue.detach(b);
}

TEST(RunQueue, ManyEntriesOfOneTenant_DoNotCrowdOutAnother) {
  RunQueue queue;
  std::deque<RunQueue::Entry> crowd(50);
  RunQueue::Entry single;
  for (auto& entry : crowd) {
    queue.attach(entry, kFirst, kTenantWeightDefault);
    queue.push(entry);
  }
  queue.attach(single, kSecond, kTenantWeightDefault);
  queue.push(single);
  auto counts = spin(queue, 1000);
  EXPECT_EQ(counts[&single], 500);
  for (auto& entry : crowd) {
    EXPECT_GE(counts[&entry], 9);
    queue.detach(entry);
  }
  queue.detach(single);
}

TEST(RunQueue, Weight_GivesTurnsInProportion) {
  RunQueue queue;
  RunQueue::Entry heavy;
  RunQueue::Entry light;
  queue.attach(heavy, kFirst, 3 * kTenantWeightDefault);
  queue.attach(light, kSecond, kTenantWeightDefault);
  queue.push(heavy);
  queue.push(light);
  auto counts = spin(queue, 4000);
  EXPECT_NEAR(counts[&heavy], 3000, 3);
  queue.detach(heavy);
  queue.detach(light);
}

TEST(RunQueue, TenantBackFromIdleness_RunsNextButSavesNothingUp) {
  RunQueue queue;
  RunQueue::Entry burner;
  RunQueue::Entry sleeper;
  queue.attach(burner, kFirst, kTenantWeightDefault);
  queue.attach(sleeper, kSecond, kTenantWeightDefault);
  queue.push(burner);
  spin(queue, 1000);
  queue.push(sleeper);
  EXPECT_EQ(queue.pop(), &sleeper);
  queue.charge(sleeper, milliseconds(1), true);
  queue.push(sleeper);
  // One slice of credit at most: then they alternate.
  auto counts = spin(queue, 100);
  EXPECT_NEAR(counts[&sleeper], 50, 2);
  queue.detach(burner);
  queue.detach(sleeper);
}

TEST(RunQueue, DebtOfATenantThatLeaves_IsFoundAgain) {
  RunQueue queue;
  RunQueue::Entry other;
  queue.attach(other, kSecond, kTenantWeightDefault);
  queue.push(other);
  spin(queue, 1);
  RunQueue::Entry first;
  queue.attach(first, kFirst, kTenantWeightDefault);
  queue.push(first);
  while (queue.pop() != &first) {
  }
  queue.charge(first, milliseconds(100), true);
  queue.detach(first);

  RunQueue::Entry again;
  queue.attach(again, kFirst, kTenantWeightDefault);
  queue.push(again);
  queue.push(other);
  auto counts = spin(queue, 50);
  EXPECT_EQ(counts[&again], 0);
  queue.detach(again);
  queue.detach(other);
}

TEST(RunQueue, Burner_YieldsToItsTenantsQuickEntriesButIsNotStarved) {
  RunQueue queue;
  RunQueue::Entry burner;
  RunQueue::Entry quick;
  queue.attach(burner, kFirst, kTenantWeightDefault);
  queue.attach(quick, kFirst, kTenantWeightDefault);
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
  std::array<RunQueue::Entry, 3> entries;
  for (auto& entry : entries) {
    queue.attach(entry, kFirst, kTenantWeightDefault);
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
  std::deque<RunQueue::Entry> entries(200);
  std::size_t ready = 0;
  for (int step = 0; step < 200'000; ++step) {
    RunQueue::Entry& entry = entries[random.below(entries.size())];
    switch (random.below(4)) {
      case 0:
        if (!entry.attached()) {
          queue.attach(entry, TenantId(random.below(20)),
                       static_cast<std::uint32_t>(1 + random.below(4096)));
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
