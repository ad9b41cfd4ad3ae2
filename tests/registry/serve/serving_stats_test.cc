#include "registry/serve/serving_stats.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace muster::registry::serve {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

TEST(ServingStats, PrometheusText_CountsAndCumulativeBuckets) {
  ServingStats stats;
  stats.Succeeded(40us, 1);
  stats.Succeeded(50us, 2);  // a bound belongs to its bucket
  stats.Succeeded(1500us, 8);
  stats.Failed(3s);
  PrometheusText text;
  text.Add("di\"gits", "3", stats.Read());
  const std::string page = std::move(text).Take();
  const std::string labels = "{model=\"di\\\"gits\",version=\"3\"";
  EXPECT_THAT(page, HasSubstr("# TYPE nv_inference_request_success counter\n"));
  EXPECT_THAT(page, HasSubstr("nv_inference_request_success" + labels + "} 3\n"));
  EXPECT_THAT(page, HasSubstr("nv_inference_request_failure" + labels + ",reason=\"OTHER\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("nv_inference_count" + labels + "} 11\n"));
  EXPECT_THAT(page, HasSubstr("nv_inference_request_duration_us" + labels + "} 3001590\n"));
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
