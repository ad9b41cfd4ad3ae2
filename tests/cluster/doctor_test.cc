#include "cluster/doctor.h"

#include <gmock/gmock.h>

#include <functional>
#include <set>

namespace muster::cluster {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::int64_t kGiB = std::int64_t{1} << 30;
constexpr std::int64_t kNow = 1'700'000'000'000;

NodeSeen Healthy(const std::string& name) {
  NodeFacts facts{.node = name,
                  .muster = "muster 1",
                  .address = "10.0.0.1",
                  .clock_ms = kNow + 50,
                  .clock_end_ms = kNow + 250};
  facts.open_mpi = "mpirun 4.1.4";
  facts.open_files = 65'536;
  facts.home_free_bytes = 50 * kGiB;
  facts.shm_free_bytes = 8 * kGiB;
  facts.folder = {.path = "/c", .file_system = "nfs", .error = "", .free_bytes = kGiB};
  return {.node = name,
          .facts = facts,
          .created_ms = kNow,
          .ended_ms = kNow + 300,
          .in_servers_folder = true};
}

PairFacts Met() {
  return {.from = "a",
          .to = "b",
          .latency_us = 40,
          .bytes_a_second = 1e9,
          .mpi_seconds = 0.4,
          .folder_shared = true,
          .visible_ms = 3,
          .locks = true};
}

ClusterFacts Cluster() {
  return {.muster = "muster 1", .nodes = {Healthy("a"), Healthy("b")}, .pairs = {Met()}};
}

/// "where check: seen" of what is not good.
std::vector<std::string> Complaints(const ClusterFacts& facts) {
  std::vector<std::string> texts;
  for (const Finding& finding : Judge(facts)) {
    EXPECT_EQ(finding.cure.empty(), finding.verdict == Verdict::kGood) << finding.seen;
    if (finding.verdict == Verdict::kGood) continue;
    texts.push_back((finding.verdict == Verdict::kNote ? "note " : "wrong ") + finding.where + " " +
                    finding.check + ": " + finding.seen);
  }
  return texts;
}

TEST(Judge, AHealthyCluster_HasNothingToComplainOf) {
  EXPECT_THAT(Complaints(Cluster()), IsEmpty());
  EXPECT_GE(Judge(Cluster()).size(), 12U);
  EXPECT_THAT(Judge({}), IsEmpty());
}

TEST(Judge, EachFault_IsOneComplaint) {
  using Change = std::function<void(ClusterFacts&)>;
  const auto node = [](const std::function<void(NodeFacts&)>& change) {
    return Change([change](ClusterFacts& facts) { change(*facts.nodes[0].facts); });
  };
  const auto pair = [](const std::function<void(PairFacts&)>& change) {
    return Change([change](ClusterFacts& facts) { change(facts.pairs[0]); });
  };
  struct {
    std::string wanted;
    Change change;
  } const table[] = {
      {"wrong a node: is lost", [](auto& f) { f.nodes[0] = {.node = "a", .state = "lost"}; }},
      {"note a node: is cordoned: disk; not looked at",
       [](auto& f) { f.nodes[0] = {.node = "a", .state = "cordoned", .reason = "disk"}; }},
      {"wrong a probe: found no free slot in time",
       [](auto& f) { f.nodes[0] = {.node = "a", .reason = "found no free slot in time"}; }},
      {"wrong a clock: 1 h ahead of the server's",
       node([](auto& n) { n.clock_ms += 3'600'000, n.clock_end_ms += 3'600'000; })},
      {"wrong a clock: 1 h behind the server's",
       node([](auto& n) { n.clock_ms -= 3'600'000, n.clock_end_ms -= 3'600'000; })},
      {"wrong a clock: 1.4 s ahead of the server's",
       node([](auto& n) { n.clock_ms = kNow + 1'500, n.clock_end_ms = kNow + 1'600; })},
      {"wrong a limits: locked memory: no limit, open files: 1024",
       node([](auto& n) { n.open_files = 1024; })},
      {"wrong a limits: locked memory: 8 MiB, open files: 65536",
       node([](auto& n) { n.infiniband = true, n.locked_bytes = 8 << 20; })},
      {"wrong a space: agent's home: 512 MiB, /dev/shm: 8 GiB",
       node([](auto& n) { n.home_free_bytes = kGiB / 2; })},
      {"wrong a space: agent's home: 50 GiB, /dev/shm: 64 MiB",
       node([](auto& n) { n.shm_free_bytes = 64 << 20; })},
      {"wrong a folder: /c (nfs, 1 GiB free): make /c: Permission denied",
       node([](auto& n) { n.folder.error = "make /c: Permission denied"; })},
      {"wrong a folder: /c (nfs, 1 GiB free) is not the server's folder of that name",
       [](auto& f) { f.nodes[0].in_servers_folder = false; }},
      {"wrong a folder: /c (nfs, 1 GiB free): its files' times are 5 s behind the node's clock",
       node([](auto& n) { n.folder.mtime_ahead_ms = -5'000; })},
      {"note a folder: /c (nfs, 1 GiB free): keeps times in steps of 2000000000 ns",
       node([](auto& n) { n.folder.mtime_step_ns = 2'000'000'000; })},
      {"wrong a mpi: mpirun 4.1.4: no way", node([](auto& n) { n.mpi_error = "no way"; })},
      {"note a mpi: no mpirun", node([](auto& n) { n.open_mpi = ""; })},
      {"wrong all versions: mpirun 4.1.4 on b; mpirun 5.0.11 on a",
       node([](auto& n) { n.open_mpi = "mpirun 5.0.11"; })},
      {"note all versions: muster 1 on here, b; muster 2 on a",
       node([](auto& n) { n.muster = "muster 2"; })},
      {"wrong a > b ports: refused", pair([](auto& p) { p.error = "refused"; })},
      {"wrong b > a ports: refused", pair([](auto& p) { p.back_error = "refused"; })},
      {"wrong a > b clock: b is 5 s behind a", pair([](auto& p) { p.clock_ahead_ms = -5'000; })},
      {"wrong a > b folder: neither sees what the other writes to the checkpoint folder",
       pair([](auto& p) { p.folder_shared = false; })},
      {"wrong a > b folder: a file that is replaced while it is open there: Stale file handle",
       pair([](auto& p) { p.rename_error = "Stale file handle"; })},
      {"wrong a > b folder: both made one file with O_EXCL 3 times of 20",
       pair([](auto& p) { p.both_created = 3; })},
      {"note a > b folder: a new file is seen by the other after 3 s",
       pair([](auto& p) { p.visible_ms = 3'000; })},
      {"note a > b folder: a new file is seen by the other not within 5 s",
       pair([](auto& p) { p.visible_ms = -1; })},
      {"note a > b folder: a lock (flock) on one node does not keep out the other",
       pair([](auto& p) { p.locks = false; })},
      {"wrong a > b mpi: no daemon", pair([](auto& p) { p.mpi_error = "no daemon"; })},
      {"note a mpi: no mpirun",
       [](auto& f) { f.nodes[0].facts->open_mpi = "", f.pairs[0].mpi_error = "no mpirun"; }},
      {"wrong a > b folder: open: Permission denied",
       pair([](auto& p) { p.folder_error = "open: Permission denied"; })},
  };
  for (const auto& row : table) {
    ClusterFacts facts = Cluster();
    row.change(facts);
    EXPECT_THAT(Complaints(facts), ElementsAre(row.wanted));
  }
}

TEST(Judge, APairThatIsSlowAmongOthers_IsNamed) {
  ClusterFacts facts = Cluster();
  facts.pairs = {Met(), Met(), Met()};
  facts.pairs[1].to = "c";
  facts.pairs[1].bytes_a_second = 0.1e9;
  EXPECT_THAT(
      Complaints(facts),
      ElementsAre(
          "wrong a > c bandwidth: 0.1 GB/s of an all-reduce over TCP; the middle pair has 1"));
  facts.pairs[0].bytes_a_second = facts.pairs[2].bytes_a_second = 0.1e9;
  EXPECT_THAT(Complaints(facts), IsEmpty()) << "a slow network is no fault of a pair";
}

TEST(Judge, ANodeWhoseCheckpointsTravel_NeedsNoFolder) {
  ClusterFacts facts = Cluster();
  facts.nodes[0].facts->folder.over_http = true;
  facts.nodes[0].in_servers_folder = false;
  facts.pairs[0].folder_shared = false;
  EXPECT_THAT(Complaints(facts), IsEmpty());
  EXPECT_THAT(Judge(facts), Contains(Field(&Finding::seen, HasSubstr("over HTTP"))));
}

TEST(Rounds, EveryPairOnce_ANodeOnceARound) {
  for (int nodes = 0; nodes <= 9; ++nodes) {
    std::set<std::pair<int, int>> met;
    const auto rounds = Rounds(nodes);
    EXPECT_LE(rounds.size(), static_cast<std::size_t>(nodes + nodes % 2));
    for (const Round& round : rounds) {
      std::set<int> busy;
      for (const auto& [from, to] : round) {
        EXPECT_TRUE(0 <= from && from < to && to < nodes) << from << ' ' << to;
        EXPECT_TRUE(busy.insert(from).second && busy.insert(to).second) << nodes;
        EXPECT_TRUE(met.emplace(from, to).second) << nodes;
      }
    }
    EXPECT_EQ(met.size(), static_cast<std::size_t>(nodes * (nodes - 1) / 2));
  }
}

TEST(DoctorJson, IsReadAsItWasWritten) {
  NodeFacts node = *Healthy("a").facts;
  node.gpus = {"H100"};
  const auto read = NodeFactsFromJson(ToJson(node));
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(ToJson(*read), ToJson(node));
  const auto pair = PairFactsFromJson(ToJson(Met()));
  ASSERT_TRUE(pair.ok()) << pair.error().message;
  EXPECT_EQ(ToJson(*pair), ToJson(Met()));
  EXPECT_THAT(NodeFactsFromJson(boost::json::object{{"clock_ms", "noon"}}).error().message,
              HasSubstr("clock_ms"));
}

}  // namespace
}  // namespace muster::cluster
