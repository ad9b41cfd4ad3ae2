#include "trainer/shm/channel.h"

#include <gmock/gmock.h>
#include <sys/mman.h>

#include <atomic>
#include <cstring>
#include <new>
#include <random>

#include "tests/trainer/shm/ranks.h"
#include "trainer/shm/collectives.h"

namespace muster::trainer::shm {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr std::uint32_t kSmallSlot = 4096;

Result<Meeting> MeetAs(const std::string& job, int rank, int ranks,
                       std::uint32_t slot_bytes = kSmallSlot) {
  return Meet({.job = job,
               .rank = {.rank = rank, .world_size = ranks},
               .timeout = std::chrono::seconds(30),
               .slot_bytes = slot_bytes});
}

/// Runs `body` on each rank, with a channel.
std::vector<std::string> OverChannel(int ranks,
                                     const std::function<std::string(Channel& channel)>& body,
                                     std::chrono::milliseconds timeout = std::chrono::seconds(30)) {
  const std::string job = NewJobName();
  return RunRanks(ranks, [&](int rank) -> std::string {
    auto meeting = MeetAs(job, rank, ranks);
    EXPECT_TRUE(meeting.ok()) << meeting.error().message;
    if (!meeting.ok()) return "";
    Channel channel(std::move(meeting).value(), timeout);
    return body(channel);
  });
}

std::string Words(const Status& status) { return status.ok() ? "ok" : status.error().message; }

/// What rank `rank` holds at `i`: sums and products of a few stay exact.
double ValueOf(std::uint32_t rank, std::size_t i) {
  return static_cast<double>((i + 3 * rank) % 7) + 1;
}

template <typename T>
std::vector<T> Values(std::uint32_t rank, std::size_t count) {
  std::vector<T> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<T>(ValueOf(rank, i));
  return values;
}

double Expected(Operation operation, std::uint32_t ranks, std::size_t i) {
  double value = ValueOf(0, i);
  for (std::uint32_t rank = 1; rank < ranks; ++rank) {
    const double next = ValueOf(rank, i);
    if (operation == Operation::kMin) value = std::min(value, next);
    if (operation == Operation::kMax) value = std::max(value, next);
    if (operation == Operation::kProduct) value *= next;
    if (operation == Operation::kSum || operation == Operation::kAverage) value += next;
  }
  return operation == Operation::kAverage ? value / ranks : value;
}

template <typename T>
void ExpectAllReduced(Channel& channel, Element element, Operation operation, std::size_t count) {
  auto values = Values<T>(channel.rank(), count);
  const Status status =
      AllReduce(channel, values.data(), count, element, operation, count % 2 == 0);
  ASSERT_TRUE(status.ok()) << status.error().message;
  for (std::size_t i = 0; i < count; ++i) {
    // A third is not exact; all else is.
    ASSERT_NEAR(static_cast<double>(values[i]), Expected(operation, channel.ranks(), i), 1e-6)
        << NameOf(operation) << " of " << NameOf(element) << " " << i << " of " << count;
  }
}

class Collectives : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Ranks, Collectives, testing::Values(1, 2, 3, 5));

TEST_P(Collectives, AllReduce_EveryOperationTypeAndSize_ExactValues) {
  OverChannel(GetParam(), [](Channel& channel) {
    // Whole up to 8,192 floats; a slot of 1,024.
    for (const std::size_t count : {0, 1, 5, 1024, 1025, 8192, 8193, 20011}) {
      for (const Operation operation :
           {Operation::kSum, Operation::kAverage, Operation::kMin, Operation::kMax}) {
        ExpectAllReduced<float>(channel, Element::kFloat, operation, count);
        ExpectAllReduced<double>(channel, Element::kDouble, operation, count);
        if (operation == Operation::kAverage) continue;
        ExpectAllReduced<std::int8_t>(channel, Element::kInt8, operation, count);
        ExpectAllReduced<std::int16_t>(channel, Element::kInt16, operation, count);
        ExpectAllReduced<std::int64_t>(channel, Element::kInt64, operation, count);
      }
      ExpectAllReduced<float>(channel, Element::kFloat, Operation::kProduct, count);
      ExpectAllReduced<std::int32_t>(channel, Element::kInt32, Operation::kProduct, count);
    }
    return "";
  });
}

TEST_P(Collectives, AllReduce_SameBitsOnEveryRankAndTime) {
  const auto sums = OverChannel(GetParam(), [](Channel& channel) {
    std::mt19937 random(channel.rank());
    std::vector<float> values(30000);
    for (float& value : values) value = std::normal_distribution<float>()(random);
    std::vector<float> again = values;
    EXPECT_TRUE(
        AllReduce(channel, values.data(), values.size(), Element::kFloat, Operation::kSum, true)
            .ok());
    EXPECT_TRUE(
        AllReduce(channel, again.data(), again.size(), Element::kFloat, Operation::kSum, false)
            .ok());
    EXPECT_EQ(std::memcmp(values.data(), again.data(), values.size() * sizeof(float)), 0);
    // The order of the ranks, whoever comes first.
    return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  });
  for (const std::string& sum : sums) EXPECT_EQ(sum == sums[0], true);
}

TEST_P(Collectives, Broadcast_FromEveryRank) {
  OverChannel(GetParam(), [](Channel& channel) {
    for (std::uint32_t root = 0; root < channel.ranks(); ++root) {
      for (const std::size_t count : {0, 1, 1024, 50001}) {
        auto values = Values<float>(channel.rank(), count);
        EXPECT_TRUE(Broadcast(channel, values.data(), count * 4, root, true).ok());
        EXPECT_EQ(values, Values<float>(root, count));
      }
    }
    return "";
  });
}

TEST_P(Collectives, AllGather_EveryRanksPart) {
  OverChannel(GetParam(), [](Channel& channel) {
    for (const std::size_t count : {0, 1, 1024, 5003}) {
      const auto mine = Values<float>(channel.rank(), count);
      std::vector<std::vector<float>> all(channel.ranks(), std::vector<float>(count, -1));
      std::vector<std::byte*> outs;
      for (auto& one : all) outs.push_back(reinterpret_cast<std::byte*>(one.data()));
      EXPECT_TRUE(AllGather(channel, mine.data(), count * 4, outs, false).ok());
      for (std::uint32_t rank = 0; rank < channel.ranks(); ++rank) {
        EXPECT_EQ(all[rank], Values<float>(rank, count));
      }
    }
    return "";
  });
}

TEST_P(Collectives, ReduceScatter_OwnPartReduced) {
  OverChannel(GetParam(), [](Channel& channel) {
    for (const std::size_t count : {0, 1, 1024, 5003}) {
      const auto mine = Values<double>(channel.rank(), count * channel.ranks());
      std::vector<const std::byte*> ins;
      for (std::uint32_t rank = 0; rank < channel.ranks(); ++rank) {
        ins.push_back(reinterpret_cast<const std::byte*>(mine.data() + rank * count));
      }
      std::vector<double> part(count);
      EXPECT_TRUE(
          ReduceScatter(channel, ins, part.data(), count, Element::kDouble, Operation::kSum, false)
              .ok());
      for (std::size_t i = 0; i < count; ++i) {
        EXPECT_EQ(part[i], Expected(Operation::kSum, channel.ranks(), channel.rank() * count + i));
      }
    }
    return "";
  });
}

TEST_P(Collectives, ManyInARow_MixedKinds_NoneIsLost) {
  OverChannel(GetParam(), [](Channel& channel) {
    for (std::size_t i = 0; i < 300; ++i) {
      ExpectAllReduced<float>(channel, Element::kFloat, Operation::kSum, i * 37 % 3000);
      std::uint64_t number = channel.rank() == 0 ? i : 0;
      EXPECT_TRUE(Broadcast(channel, &number, sizeof number, 0, i % 2 == 0).ok());
      EXPECT_EQ(number, i);
      if (i % 3 == 0) {
        EXPECT_TRUE(Barrier(channel, false).ok());
      }
    }
    return "";
  });
}

TEST(Failures, RanksCallDifferentThings_BothNamed) {
  const auto words = OverChannel(2, [](Channel& channel) {
    std::vector<float> values(100);
    EXPECT_TRUE(Barrier(channel, true).ok());
    return Words(channel.rank() == 0 ? AllReduce(channel, values.data(), 100, Element::kFloat,
                                                 Operation::kSum, true)
                                     : Broadcast(channel, values.data(), 100, 1, true));
  });
  EXPECT_THAT(words[0],
              testing::MatchesRegex(
                  "rank 0 \\(pid [0-9]+\\) calls allreduce 2 \\(sum of 100 float\\), rank 1 \\(pid "
                  "[0-9]+\\) calls broadcast 2 \\(100 uint8 from rank 1\\)"));
  EXPECT_THAT(words[1], AllOf(HasSubstr("calls allreduce 2"), HasSubstr("calls broadcast 2")));
}

TEST(Failures, RanksCallDifferentSizes_AllThreeHear) {
  const auto words = OverChannel(3, [](Channel& channel) {
    std::vector<float> values(50000);
    const std::size_t count = channel.rank() == 2 ? 49999 : 50000;
    const Status first =
        AllReduce(channel, values.data(), count, Element::kFloat, Operation::kSum, false);
    EXPECT_EQ(Words(Barrier(channel, false)), Words(first));  // broken for ever
    return Words(first);
  });
  for (const std::string& said : words) {
    EXPECT_THAT(said, AllOf(HasSubstr("of 50000 float"), HasSubstr("of 49999 float"))) << said;
  }
}

TEST(Failures, RankLeaves_Named) {
  const auto words = OverChannel(2, [](Channel& channel) {
    EXPECT_TRUE(Barrier(channel, true).ok());
    return channel.rank() == 1 ? "" : Words(Barrier(channel, true));
  });
  EXPECT_THAT(words[0], testing::MatchesRegex("barrier 2: rank 1 \\(pid [0-9]+\\) has left"));
}

/// Counts in memory that forked ranks share.
class SharedCount {
 public:
  SharedCount()
      : count_(new(mmap(nullptr, sizeof *count_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                        -1, 0)) std::atomic<int>(0)) {}
  ~SharedCount() { munmap(count_, sizeof *count_); }
  SharedCount(const SharedCount&) = delete;
  SharedCount& operator=(const SharedCount&) = delete;

  void Add() { ++*count_; }
  void WaitFor(int count) const {
    while (*count_ < count) usleep(1000);
  }

 private:
  std::atomic<int>* count_;
};

/// Ranks that reduce until something fails; returns when all do.
std::vector<Child> Reducers(int ranks, std::chrono::milliseconds timeout) {
  const std::string job = NewJobName();
  SharedCount started;
  auto children = StartRanks(ranks, [&](int rank) -> std::string {
    auto meeting = MeetAs(job, rank, ranks);
    if (!meeting.ok()) return meeting.error().message;
    Channel channel(std::move(meeting).value(), timeout);
    std::vector<float> values(20000);
    for (std::size_t i = 0;; ++i) {
      const std::size_t count = i % 4 == 0 ? values.size() : 100;
      const Status status =
          AllReduce(channel, values.data(), count, Element::kFloat, Operation::kSum, i % 2 == 0);
      if (!status.ok()) return status.error().message;
      if (i == 0) started.Add();
    }
  });
  started.WaitFor(ranks);
  return children;
}

TEST(Failures, KilledAtRandomMoments_OthersNameIt) {
  std::mt19937 random(7);
  for (int round = 0; round < 20; ++round) {
    const int ranks = 2 + round % 2;
    auto children = Reducers(ranks, std::chrono::minutes(5));
    usleep(static_cast<useconds_t>(random() % 5000));
    const auto victim = static_cast<std::size_t>(random() % static_cast<unsigned>(ranks));
    const std::string name =
        "rank " + std::to_string(victim) + " (pid " + std::to_string(children[victim].pid()) + ")";
    children[victim].Signal(SIGKILL);
    for (std::size_t rank = 0; rank < children.size(); ++rank) {
      if (rank == victim) continue;
      EXPECT_THAT(children[rank].Wait(), HasSubstr(name + " is gone"));
    }
  }
}

TEST(Failures, KilledWhileTheyMeet_RankZeroNamesIt) {
  const std::string job = NewJobName();
  SharedCount started;
  auto children = StartRanks(2, [&](int rank) -> std::string {
    started.Add();
    const auto meeting = MeetAs(job, rank, 3);  // the third never comes
    return meeting.ok() ? "met" : meeting.error().message;
  });
  started.WaitFor(2);
  usleep(200000);  // until rank 1 has said hello, on a machine that is not very slow
  children[1].Signal(SIGKILL);
  EXPECT_THAT(children[0].Wait(),
              HasSubstr("rank 1 (pid " + std::to_string(children[1].pid()) + ") is gone"));
}

TEST(Failures, StoppedRank_NamedAfterTheTimeout) {
  auto children = Reducers(3, std::chrono::seconds(1));
  children[1].Signal(SIGSTOP);
  const std::string name = "rank 1 (pid " + std::to_string(children[1].pid()) + ")";
  EXPECT_THAT(children[0].Wait(), HasSubstr(name));
  EXPECT_THAT(children[2].Wait(), HasSubstr(name));
}

TEST(Meet, RanksDisagreeAboutTheirNumber_BothNamed) {
  const std::string job = NewJobName();
  const auto words = RunRanks(2, [&](int rank) {
    const auto meeting = MeetAs(job, rank, rank == 0 ? 2 : 3);
    EXPECT_FALSE(meeting.ok());
    return meeting.ok() ? "" : meeting.error().message;
  });
  for (const std::string& said : words) {
    EXPECT_THAT(said,
                testing::MatchesRegex("rank 1 \\(pid [0-9]+\\) says that the job has 3 ranks, "
                                      "rank 0 \\(pid [0-9]+\\) says 2"));
  }
}

TEST(Meet, TwoSayTheyAreOneRank_BothNamed) {
  const std::string job = NewJobName();
  const auto words = RunRanks(3, [&](int rank) {
    const auto meeting = MeetAs(job, rank == 2 ? 1 : rank, 3);
    EXPECT_FALSE(meeting.ok());
    return meeting.ok() ? "" : meeting.error().message;
  });
  EXPECT_THAT(words[0], HasSubstr("both say that they are rank 1"));
}

TEST(Meet, NoRankZero_Unavailable) {
  const auto meeting = Meet({.job = NewJobName(),
                             .rank = {.rank = 1, .world_size = 2},
                             .timeout = std::chrono::milliseconds(20)});
  ASSERT_FALSE(meeting.ok());
  EXPECT_EQ(meeting.error().kind, ErrorKind::kUnavailable);
  EXPECT_THAT(meeting.error().message, HasSubstr("found no rank 0 on this machine"));
}

TEST(Meet, RankIsMissing_RankZeroNamesIt) {
  const auto meeting = Meet({.job = NewJobName(),
                             .rank = {.rank = 0, .world_size = 2},
                             .timeout = std::chrono::milliseconds(20)});
  ASSERT_FALSE(meeting.ok());
  EXPECT_THAT(meeting.error().message, HasSubstr("from rank 1"));
}

TEST(Meet, SameNameAfterAJobThatRuns_TheyDoNotMix) {
  const std::string job = NewJobName();
  const auto pair = [&](int rank) {
    auto meeting = MeetAs(job, rank, 2);
    EXPECT_TRUE(meeting.ok());
    Channel channel(std::move(meeting).value(), std::chrono::seconds(30));
    std::int64_t pids = getppid();
    EXPECT_TRUE(AllReduce(channel, &pids, 1, Element::kInt64, Operation::kSum, true).ok());
    EXPECT_EQ(pids, 2 * getppid());
    return std::string();
  };
  auto first = StartRanks(2, [&](int rank) {
    auto meeting = MeetAs(job, rank, 2);
    EXPECT_TRUE(meeting.ok());
    pause();
    return std::string();
  });
  usleep(300000);  // while the first job, which has met, lives
  RunRanks(2, pair);
  for (Child& child : first) child.Signal(SIGKILL);
  for (Child& child : first) child.Wait();
  RunRanks(2, pair);
}

TEST(Meet, ImpossibleRank_Refused) {
  EXPECT_EQ(MeetAs("x", 2, 2).error().kind, ErrorKind::kInvalid);
  EXPECT_EQ(MeetAs("x", 0, kRanksMax + 1).error().kind, ErrorKind::kInvalid);
}

}  // namespace
}  // namespace muster::trainer::shm
