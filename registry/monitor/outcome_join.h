#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

/// Predictions that wait for their labels, by request id: the newest so many rows, older requests are forgotten. Pure; one
/// thread at a time.

namespace muster::registry::monitor {

/// One row's prediction: of classes {class (-1: none), confidence}, of regression its outputs.
struct PredictedRow {
  std::int64_t row = 0;  ///< of the request
  std::vector<double> values;
};

/// What a label met.
enum class JoinState {
  kJoined,     ///< the first label of its row
  kReplaced,   ///< another label of the row came before: the newest counts
  kDuplicate,  ///< the same label came before
  kUnsampled,  ///< the request is known, the row is not among those that were kept
  kUnknown,    ///< no such request, or it is forgotten
};

struct JoinResult {
  JoinState state = JoinState::kUnknown;
  std::vector<double> prediction;  ///< as PredictedRow's; where joined or replaced
  std::string segment;
  std::vector<double> before;      ///< the label that was replaced
  std::int64_t before_window = 0;  ///< in which it was counted
  std::int64_t waited_ms = 0;      ///< from the prediction to the label
};

class OutcomeJoin {
 public:
  /// Remembers `rows` of them, 1 or more; the newest request always.
  explicit OutcomeJoin(std::size_t rows) : capacity_(rows) {}

  static constexpr std::size_t kIdBytesMost = 128;

  /// A longer id, and an empty one, are not kept. The same id again replaces the request.
  void Predicted(std::string_view id, std::string_view segment, std::int64_t time_ms,
                 std::vector<PredictedRow> rows);

  struct Label {
    std::string_view id;
    std::int64_t row = 0;
    std::span<const double> values;  ///< a class, or a number a target
    std::int64_t time_ms = 0;
    std::int64_t window = 0;  ///< which counts it
  };
  JoinResult Labelled(const Label& label);

  [[nodiscard]] std::size_t size() const { return by_id_.size(); }

 private:
  struct Row {
    PredictedRow predicted;
    std::vector<double> label;
    std::int64_t window = 0;
  };
  struct Request {
    std::string segment;
    std::int64_t time_ms = 0;
    std::uint64_t generation = 0;
    std::vector<Row> rows;
  };
  struct Place {
    std::string id;
    std::uint64_t generation = 0;
    std::size_t rows = 0;
  };

  std::size_t capacity_;
  std::size_t rows_ = 0;  ///< of all in order_
  std::uint64_t generation_ = 0;
  std::unordered_map<std::string, Request> by_id_;
  std::deque<Place> order_;  ///< oldest first; one of a replaced request has another generation
};

}  // namespace muster::registry::monitor
