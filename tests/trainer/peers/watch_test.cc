#include "trainer/peers/watch.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <csignal>
#include <future>
#include <mutex>
#include <thread>

#include "trainer/peers/link.h"

/// Ranks as threads, whose gang is a table; and as processes that are killed.

namespace muster::trainer::peers {
namespace {

using namespace std::chrono_literals;

/// The text exchange of ranks that are threads.
class Table {
 public:
  explicit Table(std::int64_t ranks) : texts_(static_cast<std::size_t>(ranks)) {}
  std::vector<std::string> AllGather(std::int64_t rank, const std::string& mine) {
    std::unique_lock lock(mutex_);
    const std::int64_t round = round_;
    texts_[static_cast<std::size_t>(rank)] = mine;
    if (++come_ == static_cast<std::int64_t>(texts_.size())) {
      all_ = texts_;
      come_ = 0;
      ++round_;
      changed_.notify_all();
    }
    changed_.wait(lock, [&] { return round_ != round; });
    return all_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> texts_, all_;
  std::int64_t come_ = 0, round_ = 0;
};

struct RankThread {
  RankProgress progress;
  std::promise<std::string> lost;
  std::unique_ptr<Watch> watch;

  std::string Lost() {
    auto sentence = lost.get_future();
    if (sentence.wait_for(30s) != std::future_status::ready) return "nobody was lost";
    return sentence.get();
  }
};

/// A gang of `count` ranks, all watched.
std::vector<std::unique_ptr<RankThread>> StartGang(std::int64_t count, PeerLimits limits = {}) {
  Table table(count);
  std::vector<std::unique_ptr<RankThread>> ranks;
  for (std::int64_t i = 0; i < count; ++i) ranks.push_back(std::make_unique<RankThread>());
  std::vector<std::thread> threads;
  for (std::int64_t rank = 0; rank < count; ++rank) {
    threads.emplace_back([&, rank] {
      RankThread& mine = *ranks[static_cast<std::size_t>(rank)];
      auto watch = Watch::Start(
          {.rank = {.rank = rank, .world_size = count},
           .all_gather = [&](const std::string& text) { return table.AllGather(rank, text); },
           .state = [&mine] { return mine.progress.Read(); },
           .limits = limits,
           .on_loss = [&mine](const std::string& sentence) { mine.lost.set_value(sentence); }});
      ASSERT_TRUE(watch.ok()) << watch.error().message;
      mine.watch = std::move(watch).value();
    });
  }
  for (std::thread& thread : threads) thread.join();
  return ranks;
}

std::string Me(int rank) { return NameOf({.rank = rank, .host = HostName(), .pid = getpid()}); }

TEST(Watch, AllSayGoodbye_NobodyIsLost) {
  for (const bool first_leaves_first : {true, false}) {
    auto ranks = StartGang(3);
    if (!first_leaves_first) std::ranges::reverse(ranks);
    for (auto& rank : ranks) rank->watch.reset();
    for (auto& rank : ranks) {
      EXPECT_EQ(rank->lost.get_future().wait_for(0s), std::future_status::timeout);
    }
  }
}

TEST(Watch, OneFails_TheOthersSayItsWords) {
  for (const std::size_t failing : {0U, 1U, 2U}) {
    auto ranks = StartGang(3);
    ranks[failing]->watch->Fail("bad.h5 has\nno labels");
    for (std::size_t rank = 0; rank < 3; ++rank) {
      if (rank == failing) continue;
      EXPECT_EQ(ranks[rank]->Lost(),
                Me(static_cast<int>(failing)) + " failed: bad.h5 has no labels");
    }
  }
}

TEST(Watch, OneDoesNotJoin_AllHearWhoAndWhere) {
  auto ranks = StartGang(3, {.behind = 500ms});
  for (auto& rank : ranks) {
    rank->progress.Queue("broadcast");
    rank->progress.Finish();
  }
  ranks[2]->progress.Enter("load", 7);
  for (const std::size_t rank : {0U, 1U}) {
    ranks[rank]->progress.Enter("reduce", 7);
    ranks[rank]->progress.Queue("allreduce");
  }
  for (auto& rank : ranks) {
    const std::string sentence = rank->Lost();
    EXPECT_TRUE(sentence.starts_with(Me(2) +
                                     " hangs: it is in phase load of step 7 after 1 collectives, "
                                     "while rank 0 waits for allreduce 2 (phase reduce)"))
        << sentence;
  }
}

TEST(Watch, OneEndsWhileOthersWait_IsNamed) {
  auto ranks = StartGang(2, {.silence = 500ms});
  ranks[0]->progress.Queue("barrier");
  ranks[1]->watch.reset();
  EXPECT_EQ(ranks[0]->Lost(),
            Me(1) +
                " has ended after 0 collectives, while rank 0 waited for barrier 1 "
                "(phase start)");
}

TEST(Watch, StrangersOnThePort_AreTurnedAway) {
  const auto listener = Listen(true);
  ASSERT_TRUE(listener.ok());
  Table table(2);
  std::promise<int> port;
  // Rank 0 invites; a stranger comes first, without the secret, and one that says nothing.
  std::thread stranger([&] {
    const int at = port.get_future().get();
    const auto first = Connect("127.0.0.1", at, 5s);
    ASSERT_TRUE(first.ok());
    EXPECT_TRUE(SendAll(*first, "hello 0123 1\n"));
    EXPECT_EQ(ReceiveLine(*first, 5s), "");
  });
  const auto gather = [&](std::int64_t rank, const std::string& text) {
    auto all = table.AllGather(rank, text);
    if (rank == 1 && all[1].empty()) {
      port.set_value(std::stoi(all[0]));
      stranger.join();
    }
    return all;
  };
  std::unique_ptr<Watch> watches[2];
  std::thread second([&] {
    auto watch =
        Watch::Start({.rank = {.rank = 1, .world_size = 2},
                      .all_gather = [&](const std::string& text) { return gather(1, text); },
                      .state = [] { return RankState(); }});
    ASSERT_TRUE(watch.ok()) << watch.error().message;
    watches[1] = std::move(watch).value();
  });
  auto watch = Watch::Start({.rank = {.rank = 0, .world_size = 2},
                             .all_gather = [&](const std::string& text) { return gather(0, text); },
                             .state = [] { return RankState(); }});
  ASSERT_TRUE(watch.ok()) << watch.error().message;
  second.join();
}

TEST(Watch, OneDoesNotCome_BothSidesNameIt) {
  Table table(2);
  Result<std::unique_ptr<Watch>> first = Internal("");
  std::thread thread([&] {
    first = Watch::Start(
        {.rank = {.rank = 0, .world_size = 2},
         .all_gather = [&](const std::string& text) { return table.AllGather(0, text); },
         .state = [] { return RankState(); },
         .address = {},
         .connect_timeout = 200ms});
  });
  table.AllGather(1, "b 77 elsewhere");
  const std::string invitation = table.AllGather(1, "")[0];
  thread.join();
  ASSERT_FALSE(first.ok());
  EXPECT_EQ(first.error().message, "no connection to rank 0 came from rank 1 (host b, pid 77)");
  // Another machine: not the loopback alone.
  EXPECT_EQ(invitation.find("127.0.0.1"), std::string::npos) << invitation;
}

/// A rank in a process of its own, whose gang is two pipes to this one.
pid_t ForkRank(const Listener& parent, int rank) {
  const int port = parent.port;
  const pid_t child = fork();
  if (child != 0) return child;
  auto socket = Connect("127.0.0.1", port, 10s);
  if (!socket.ok() || !SendAll(*socket, std::to_string(rank) + "\n")) _exit(3);
  auto watch = Watch::Start({.rank = {.rank = rank, .world_size = 3},
                             .all_gather =
                                 [&](const std::string& mine) {
                                   SendAll(*socket, mine + "\n");
                                   std::vector<std::string> all;
                                   for (int i = 0; i < 3; ++i)
                                     all.push_back(ReceiveLine(*socket, 10s));
                                   return all;
                                 },
                             .state = [] { return RankState{1, 0, "allreduce", "reduce", 1}; },
                             .limits = {.silence = 800ms},
                             .on_loss =
                                 [&](const std::string& sentence) {
                                   SendAll(*socket, sentence + "\n");
                                   _exit(1);
                                 }});
  if (!watch.ok()) _exit(4);
  SendAll(*socket, "watched\n");
  for (;;) pause();
}

/// Three processes; `signal` hits `victim`; what the two others say.
std::vector<std::string> Hit(int victim, int signal, std::vector<pid_t>& children) {
  auto listener = Listen(true);
  EXPECT_TRUE(listener.ok());
  for (int rank = 0; rank < 3; ++rank) children.push_back(ForkRank(*listener, rank));
  std::vector<Socket> sockets(3);
  for (int i = 0; i < 3; ++i) {
    Socket socket = Accept(*listener, 10s);
    sockets[static_cast<std::size_t>(std::stoi(ReceiveLine(socket, 10s)))] = std::move(socket);
  }
  for (int round = 0; round < 2; ++round) {
    std::string all;
    for (const Socket& socket : sockets) all += ReceiveLine(socket, 10s) + "\n";
    for (const Socket& socket : sockets) EXPECT_TRUE(SendAll(socket, all));
  }
  for (const Socket& socket : sockets) EXPECT_EQ(ReceiveLine(socket, 10s), "watched");
  kill(children[static_cast<std::size_t>(victim)], signal);
  std::vector<std::string> said;
  for (int rank = 0; rank < 3; ++rank) {
    if (rank != victim) said.push_back(ReceiveLine(sockets[static_cast<std::size_t>(rank)], 30s));
  }
  kill(children[static_cast<std::size_t>(victim)], SIGKILL);
  for (const pid_t child : children) waitpid(child, nullptr, 0);
  return said;
}

TEST(Watch, Killed_TheOthersSayWho) {
  for (const int victim : {0, 1, 2}) {
    std::vector<pid_t> children;
    for (const std::string& sentence : Hit(victim, SIGKILL, children)) {
      const Peer gone{
          .rank = victim, .host = HostName(), .pid = children[static_cast<std::size_t>(victim)]};
      EXPECT_TRUE(
          sentence.starts_with(NameOf(gone) + " is gone: its connection closed while rank "))
          << sentence;
      EXPECT_TRUE(sentence.ends_with(" waited for allreduce 1 (phase reduce)")) << sentence;
    }
  }
}

TEST(Watch, Stopped_TheOthersSayWho) {
  for (const int victim : {0, 2}) {
    std::vector<pid_t> children;
    for (const std::string& sentence : Hit(victim, SIGSTOP, children)) {
      const Peer hung{
          .rank = victim, .host = HostName(), .pid = children[static_cast<std::size_t>(victim)]};
      EXPECT_TRUE(sentence.starts_with(NameOf(hung) + " hangs: nothing was heard of it for "))
          << sentence;
    }
  }
}

}  // namespace
}  // namespace muster::trainer::peers
