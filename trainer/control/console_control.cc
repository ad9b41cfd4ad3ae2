#include "trainer/control/console_control.h"

#include <algorithm>
#include <string>

namespace muster::trainer::control {
namespace {

constexpr std::int64_t kBarWidth = 24;

std::string MetricsText(const wire::TrialRecord& record) {
  std::string text;
  for (const auto& [name, value] : record.metrics) {
    char number[64];
    std::snprintf(number, sizeof(number), "  %s %.4g", name.c_str(), value);
    text += number;
  }
  return text;
}

std::string Bar(std::int64_t done, std::int64_t total) {
  const std::int64_t filled = total > 0 ? std::min(kBarWidth, kBarWidth * done / total) : 0;
  return "[" + std::string(static_cast<std::size_t>(filled), '#') +
         std::string(static_cast<std::size_t>(kBarWidth - filled), '.') + "]";
}

class ConsoleControl final : public Control {
 public:
  ConsoleControl(std::FILE* out, bool terminal) : out_(out), terminal_(terminal) {}
  ~ConsoleControl() override { EndBar(); }
  ConsoleControl(const ConsoleControl&) = delete;
  ConsoleControl& operator=(const ConsoleControl&) = delete;

  Status Send(const wire::TrialRecord& record) override {
    using wire::RecordType;
    const std::string of = std::to_string(record.step) + "/" + std::to_string(record.total_steps);
    switch (record.type) {
      case RecordType::kMetric:
        if (terminal_) {
          std::fprintf(out_, "\r\033[K%s %s%s", Bar(record.step, record.total_steps).c_str(),
                       of.c_str(), MetricsText(record).c_str());
          open_bar_ = true;
        } else {
          std::fprintf(out_, "epoch %s%s\n", of.c_str(), MetricsText(record).c_str());
        }
        break;
      case RecordType::kResumed:
        std::fprintf(out_, "resumed after epoch %s\n", of.c_str());
        break;
      case RecordType::kResult:
        EndBar();
        std::fprintf(out_, "done%s\n", MetricsText(record).c_str());
        if (!record.path.empty()) std::fprintf(out_, "best checkpoint %s\n", record.path.c_str());
        break;
      case RecordType::kProgress:
      case RecordType::kCheckpoint:
        break;
    }
    std::fflush(out_);
    return Ok();
  }
  Command Poll() override { return Command::kNone; }
  Status Flush() override { return Ok(); }

 private:
  void EndBar() {
    if (std::exchange(open_bar_, false)) std::fputs("\n", out_);
  }

  std::FILE* out_;
  bool terminal_;
  bool open_bar_ = false;
};

}  // namespace

std::unique_ptr<Control> MakeConsoleControl(std::FILE* out, bool terminal) {
  return std::make_unique<ConsoleControl>(out, terminal);
}

}  // namespace muster::trainer::control
