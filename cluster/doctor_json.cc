#include "cluster/doctor.h"
#include "runtime/wire/codec.h"

namespace muster::cluster {

BOOST_DESCRIBE_STRUCT(FolderFacts, (),
                      (path, file_system, error, free_bytes, mtime_step_ns, mtime_ahead_ms,
                       over_http))
BOOST_DESCRIBE_STRUCT(NodeFacts, (),
                      (node, muster, address, interface, clock_ms, clock_end_ms, kernel, open_mpi,
                       mpi_error, gpu_driver, gpus, locked_bytes, open_files, infiniband,
                       home_free_bytes, shm_free_bytes, folder))
BOOST_DESCRIBE_STRUCT(PairFacts, (),
                      (from, to, error, back_error, latency_us, bytes_a_second, clock_ahead_ms,
                       mpi_error, mpi_seconds, folder_error, folder_shared, visible_ms,
                       rename_error, both_created, locks))
BOOST_DESCRIBE_ENUM(Verdict, kGood, kNote, kWrong)
BOOST_DESCRIBE_STRUCT(Finding, (), (where, check, verdict, seen, cure))

boost::json::value ToJson(const NodeFacts& facts) { return wire::ToJson<NodeFacts>(facts); }
boost::json::value ToJson(const PairFacts& facts) { return wire::ToJson<PairFacts>(facts); }
boost::json::value ToJson(const Finding& finding) { return wire::ToJson<Finding>(finding); }
Result<NodeFacts> NodeFactsFromJson(const boost::json::value& json) {
  return wire::FromJson<NodeFacts>(json);
}
Result<PairFacts> PairFactsFromJson(const boost::json::value& json) {
  return wire::FromJson<PairFacts>(json);
}

}  // namespace muster::cluster
