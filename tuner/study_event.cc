#include "tuner/study_event.h"

#include <bit>

#include "runtime/base/varint.h"

namespace muster::tuner {
namespace {

enum class Kind : unsigned char {
  kStarted = 1,
  kResumed,
  kReported,
  kTold,
  kEnqueued,
  kImported,
  kGaveUp,
};
enum class Type : unsigned char { kFalse, kTrue, kInteger, kNumber, kText };

/// The letters of a record, appended.
class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}
  template <typename Enum>
  void Byte(Enum value) {
    out_ += static_cast<char>(value);
  }
  void Integer(std::int64_t number) { AppendVarint(out_, Fold(number)); }
  void Number(double number) {
    auto bits = std::bit_cast<std::uint64_t>(number);
    for (int i = 0; i < 8; ++i, bits >>= 8) out_ += static_cast<char>(bits & 0xFF);
  }
  void Text(std::string_view text) {
    AppendVarint(out_, text.size());
    out_ += text;
  }
  void Numbers(const std::vector<double>& numbers) {
    AppendVarint(out_, numbers.size());
    for (const double number : numbers) Number(number);
  }
  void Write(const Params& params) {
    AppendVarint(out_, params.size());
    for (const auto& [name, value] : params) {
      Text(name);
      if (const auto* flag = std::get_if<bool>(&value)) {
        Byte(*flag ? Type::kTrue : Type::kFalse);
      } else if (const auto* integer = std::get_if<std::int64_t>(&value)) {
        Byte(Type::kInteger);
        Integer(*integer);
      } else if (const auto* number = std::get_if<double>(&value)) {
        Byte(Type::kNumber);
        Number(*number);
      } else {
        Byte(Type::kText);
        Text(std::get<std::string>(value));
      }
    }
  }
  void Write(const Outcome& outcome) {
    Byte(outcome.state);
    Numbers(outcome.values);
    Numbers(outcome.constraints);
  }

  void operator()(const Asked& asked) {
    Byte(asked.resumes() ? Kind::kResumed : Kind::kStarted);
    Integer(asked.trial);
    if (asked.resumes()) return Integer(asked.from->step);
    Write(asked.params);
    Text(asked.by);
    Byte(asked.from.has_value());
    if (!asked.from) return;
    Integer(asked.from->trial);
    Integer(asked.from->step);
  }
  void operator()(const Reported& reported) {
    Byte(Kind::kReported);
    Integer(reported.trial);
    Integer(reported.step);
    Numbers(reported.values);
    Byte(reported.verdict);
  }
  void operator()(const Told& told) {
    Byte(Kind::kTold);
    Integer(told.trial);
    Write(told.outcome);
  }
  void operator()(const Enqueued& enqueued) {
    Byte(Kind::kEnqueued);
    Write(enqueued.params);
  }
  void operator()(const Imported& imported) {
    Byte(Kind::kImported);
    Write(imported.params);
    Write(imported.outcome);
    Number(imported.weight);
  }
  void operator()(const GaveUp& /*event*/) { Byte(Kind::kGaveUp); }

 private:
  std::string& out_;
};

/// Takes them again. What is missing or out of range is zero, and `failed` from then on.
class Reader {
 public:
  explicit Reader(std::string_view& in) : in_(in) {}
  [[nodiscard]] bool failed() const { return failed_; }

  /// At most `last`.
  template <typename Enum>
  Enum Byte(Enum last) {
    const int value = in_.empty() ? 256 : static_cast<unsigned char>(in_.front());
    if (value > static_cast<int>(last)) return Fail<Enum>();
    in_.remove_prefix(1);
    return static_cast<Enum>(value);
  }
  std::uint64_t Count() {
    std::uint64_t count = 0;
    // Each of what is counted takes a byte or more.
    return TakeVarint(in_, count) && count <= in_.size() ? count : Fail<std::uint64_t>();
  }
  std::int64_t Integer() {
    std::uint64_t folded = 0;
    return TakeVarint(in_, folded) ? Unfold(folded) : Fail<std::int64_t>();
  }
  double Number() {
    if (in_.size() < 8) return Fail<double>();
    std::uint64_t bits = 0;
    for (std::size_t i = 8; i-- > 0;) bits = bits << 8 | static_cast<unsigned char>(in_[i]);
    in_.remove_prefix(8);
    return std::bit_cast<double>(bits);
  }
  std::string Text() {
    const std::uint64_t size = Count();
    std::string text(in_.substr(0, size));
    in_.remove_prefix(size);
    return text;
  }
  std::vector<double> Numbers() {
    std::vector<double> numbers(Count());
    for (double& number : numbers) number = Number();
    return numbers;
  }
  Params ReadParams() {
    Params params;
    for (std::uint64_t left = Count(); left > 0 && !failed_; --left) {
      std::string name = Text();
      params.insert_or_assign(params.end(), std::move(name), Value());
    }
    return params;
  }
  Outcome ReadOutcome() {
    Outcome outcome;
    outcome.state = Byte(TrialState::kLost);
    outcome.values = Numbers();
    outcome.constraints = Numbers();
    return outcome;
  }

  Asked Started() {
    Asked asked;
    asked.trial = Integer();
    asked.params = ReadParams();
    asked.by = Text();
    if (Byte(true)) asked.from = Origin();
    return asked;
  }
  Asked Resumed() {
    Asked asked;
    asked.by = "resumed";
    asked.trial = Integer();
    asked.from = {asked.trial, Integer()};
    return asked;
  }
  struct Reported Reported() {
    struct Reported reported;
    reported.trial = Integer();
    reported.step = Integer();
    reported.values = Numbers();
    reported.verdict = Byte(Verdict::kPause);
    return reported;
  }
  struct Told Told() {
    struct Told told;
    told.trial = Integer();
    told.outcome = ReadOutcome();
    return told;
  }
  struct Imported Imported() {
    struct Imported imported;
    imported.params = ReadParams();
    imported.outcome = ReadOutcome();
    imported.weight = Number();
    return imported;
  }
  StudyEvent Event() {
    switch (Byte(Kind::kGaveUp)) {
      case Kind::kStarted:
        return Started();
      case Kind::kResumed:
        return Resumed();
      case Kind::kReported:
        return Reported();
      case Kind::kTold:
        return Told();
      case Kind::kEnqueued:
        return Enqueued{ReadParams()};
      case Kind::kImported:
        return Imported();
      case Kind::kGaveUp:
        return GaveUp{};
    }
    failed_ = true;
    return GaveUp{};
  }

 private:
  template <typename T>
  T Fail() {
    failed_ = true;
    in_ = {};
    // Of Kind there is no 0, which Event refuses.
    return T{};  // NOLINT(bugprone-invalid-enum-default-initialization)
  }
  ParamValue Value() {
    switch (Byte(Type::kText)) {
      case Type::kFalse:
        return false;
      case Type::kTrue:
        return true;
      case Type::kInteger:
        return Integer();
      case Type::kNumber:
        return Number();
      case Type::kText:
        return Text();
    }
    return false;
  }
  Asked::Origin Origin() {
    const std::int64_t trial = Integer();
    return {trial, Integer()};
  }

  std::string_view& in_;
  bool failed_ = false;
};

}  // namespace

void AppendEvent(std::string& bytes, const StudyEvent& event) { std::visit(Writer(bytes), event); }

Result<StudyEvent> TakeEvent(std::string_view& bytes) {
  Reader reader(bytes);
  StudyEvent event = reader.Event();
  if (reader.failed()) return Corrupt("an event of a study is cut short, or none that is known");
  return event;
}

}  // namespace muster::tuner
