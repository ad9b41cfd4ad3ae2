#include "registry/serve/prometheus.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace muster::registry::serve {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

TEST(ServingStats, PrometheusText_CountsAndCumulativeBuckets) {
  ServingStats stats;
  stats.Succeeded({.total = 40us, .queue = 1us, .input = 2us, .infer = 30us, .output = 7us}, 1, 9);
  stats.Succeeded({.total = 50us, .queue = 3us}, 2, 9);  // a bound belongs to its bucket
  stats.Succeeded({.total = 1500us}, 8, 10);
  stats.Failed(3s, FailureReason::kRejected);
  stats.Executed(3, {.infer = 30us});
  PrometheusText text;
  text.Add("di\"gits", "3", stats.Read(), 4);
  const std::string page = std::move(text).Take();
  const std::string labels = "{model=\"di\\\"gits\",version=\"3\"";
  EXPECT_THAT(page, HasSubstr("# TYPE nv_inference_request_success counter\n"));
  EXPECT_THAT(page, HasSubstr("nv_inference_request_success" + labels + "} 3\n"));
  EXPECT_THAT(page,
              HasSubstr("nv_inference_request_failure" + labels + ",reason=\"REJECTED\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("nv_inference_request_failure" + labels + ",reason=\"OTHER\"} 0\n"));
  EXPECT_THAT(page, HasSubstr("nv_inference_exec_count" + labels + "} 1\n"));
  EXPECT_THAT(page, HasSubstr("# TYPE nv_inference_pending_request_count gauge\n"));
  EXPECT_THAT(page, HasSubstr("nv_inference_pending_request_count" + labels + "} 4\n"));
  EXPECT_THAT(page, HasSubstr("nv_inference_queue_duration_us" + labels + "} 4\n"));
  EXPECT_THAT(page, HasSubstr("nv_inference_compute_input_duration_us" + labels + "} 2\n"));
  EXPECT_THAT(page, HasSubstr("nv_inference_compute_infer_duration_us" + labels + "} 30\n"));
  EXPECT_THAT(page, HasSubstr("nv_inference_compute_output_duration_us" + labels + "} 7\n"));
  EXPECT_THAT(page, HasSubstr("nv_inference_count" + labels + "} 11\n"));
  EXPECT_THAT(page, HasSubstr("nv_inference_request_duration_us" + labels + "} 1590\n"));
  const std::string bucket = "muster_inference_request_seconds_bucket" + labels;
  EXPECT_THAT(page, HasSubstr(bucket + ",le=\"0.00005\"} 2\n"));
  EXPECT_THAT(page, HasSubstr(bucket + ",le=\"0.002\"} 3\n"));
  EXPECT_THAT(page, HasSubstr(bucket + ",le=\"1\"} 3\n"));
  EXPECT_THAT(page, HasSubstr(bucket + ",le=\"+Inf\"} 4\n"));
  EXPECT_THAT(page, HasSubstr("muster_inference_request_seconds_sum" + labels + "} 3.00159\n"));
  EXPECT_THAT(page, HasSubstr("muster_inference_request_seconds_count" + labels + "} 4\n"));
}

}  // namespace
}  // namespace muster::registry::serve
