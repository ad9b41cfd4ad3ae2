#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "runtime/base/csv.h"
#include "tracker/transfer/table.h"

namespace muster::tracker {

namespace {

class CsvWriter final : public TableWriter {
 public:
  explicit CsvWriter(std::span<const Column> columns) {
    std::vector<Cell> names;
    for (const Column& column : columns) names.emplace_back(column.name);
    Add(names);
  }

  void Add(std::span<const Cell> row) override {
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (i > 0) out_ += ',';
      std::visit([this](const auto& cell) { Append(cell); }, row[i]);
    }
    out_ += "\r\n";
  }
  [[nodiscard]] std::size_t pending() const override { return out_.size(); }
  std::string Take() override { return std::exchange(out_, {}); }
  std::string Finish() override { return Take(); }

 private:
  void Append(std::monostate) {}
  void Append(std::int64_t number) { AppendNumber(number); }
  void Append(double number) {
    if (std::isnan(number)) {
      out_ += "NaN";
    } else if (std::isinf(number)) {
      out_ += number < 0 ? "-Infinity" : "Infinity";
    } else {
      AppendNumber(number);
    }
  }
  void Append(std::string_view text) { AppendCsv(out_, text); }

  template <typename Number>
  void AppendNumber(Number number) {
    std::array<char, 32> text{};
    const auto end = std::to_chars(text.data(), text.data() + text.size(), number).ptr;
    out_.append(text.data(), end);
  }

  std::string out_;
};

}  // namespace

std::unique_ptr<TableWriter> MakeCsvWriter(std::span<const Column> columns) {
  return std::make_unique<CsvWriter>(columns);
}

}  // namespace muster::tracker
