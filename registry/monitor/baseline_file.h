#pragma once

#include <boost/describe.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

/// The members of baseline.json as they stand there (registry/package/baselines.h says what they are). Private to this
/// folder.

namespace muster::registry::monitor::baseline_file {

struct Quantiles {
  std::vector<double> levels, values;
};
BOOST_DESCRIBE_STRUCT(Quantiles, (), (levels, values))
struct Counted {
  std::vector<double> values;
  std::vector<std::int64_t> counts;
};
BOOST_DESCRIBE_STRUCT(Counted, (), (values, counts))
struct Binned {
  std::vector<double> edges;
  std::vector<std::int64_t> counts;
};
BOOST_DESCRIBE_STRUCT(Binned, (), (edges, counts))
struct Ranked {
  std::vector<double> values;
  std::vector<std::int64_t> ranks;
};
BOOST_DESCRIBE_STRUCT(Ranked, (), (values, ranks))
struct Summary {
  std::string name;
  bool pooled = false;
  std::int64_t count = 0, missing = 0, infinite = 0;
  std::optional<double> min, max, mean, std;
  std::optional<Quantiles> quantiles;
  std::optional<Counted> values;
  std::optional<Binned> histogram;
  std::optional<Ranked> cdf;
};
BOOST_DESCRIBE_STRUCT(Summary, (),
                      (name, pooled, count, missing, infinite, min, max, mean, std, quantiles,
                       values, histogram, cdf))
struct Input {
  std::string name, type;
  std::vector<std::int64_t> shape;
  std::vector<Summary> columns;
};
BOOST_DESCRIBE_STRUCT(Input, (), (name, type, shape, columns))
struct Classes {
  std::vector<std::int64_t> labels, predictions, right;
};
BOOST_DESCRIBE_STRUCT(Classes, (), (labels, predictions, right))
struct Calibrated {
  std::vector<double> edges;
  std::vector<std::int64_t> rows;
  std::vector<double> confidence;
  std::vector<std::int64_t> right;
};
BOOST_DESCRIBE_STRUCT(Calibrated, (), (edges, rows, confidence, right))
struct Segment {
  std::int64_t value = 0, rows = 0, right = 0;
};
BOOST_DESCRIBE_STRUCT(Segment, (), (value, rows, right))
struct File {
  std::int64_t format = 0, rows = 0;
  std::optional<std::string> task;
  std::optional<double> threshold;
  std::vector<Input> inputs;
  std::optional<Classes> classes;
  std::optional<Summary> confidence;
  std::optional<Calibrated> calibration;
  std::map<std::string, std::vector<Segment>> segments;
  std::vector<Summary> targets, predictions, absolute_error;
};
BOOST_DESCRIBE_STRUCT(File, (),
                      (format, rows, task, threshold, inputs, classes, confidence, calibration,
                       segments, targets, predictions, absolute_error))

}  // namespace muster::registry::monitor::baseline_file
