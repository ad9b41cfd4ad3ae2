#include "registry/monitor/report.h"

#include <algorithm>
#include <cmath>

namespace muster::registry::monitor {
namespace {

double Share(std::int64_t part, std::int64_t whole) {
  return static_cast<double>(part) / static_cast<double>(std::max<std::int64_t>(whole, 1));
}

/// Two histograms of classes; none where one is empty.
std::optional<ColumnDrift> ClassDrift(std::string name, const std::vector<std::int64_t>& reference,
                                      const std::vector<std::int64_t>& current,
                                      const DriftSpec& spec) {
  const auto some = [](const std::vector<std::int64_t>& counts) {
    return std::ranges::any_of(counts, [](std::int64_t count) { return count > 0; });
  };
  if (!some(reference) || !some(current)) return std::nullopt;
  ColumnDrift drift = CategoryDrift({reference, current}, spec);
  drift.column = std::move(name);
  return drift;
}

class Builder {
 public:
  Builder(const Baseline& baseline, const Window& window, const DriftSpec& spec)
      : baseline_(baseline), window_(window), spec_(spec) {
    report_.baseline = baseline.digest;
    report_.begun_ms = window.begun_ms;
    report_.ended_ms = window.ended_ms;
    report_.confidence = spec.confidence;
  }

  Report Build() && {
    Traffic();
    Inputs();
    Predictions();
    Labels();
    if (baseline_.calibration) {
      report_.estimate =
          EstimateAccuracy(*baseline_.calibration, window_.confidence_sums, spec_.confidence);
    }
    if (report_.estimate) {
      Set("estimated_accuracy", report_.estimate->accuracy);
      if (baseline_.score) {
        Set("estimated_drop", BaselineAccuracy() - report_.estimate->accuracy);
        Set("estimated_drop.least", BaselineAccuracy() - report_.estimate->interval.high);
      }
    }
    return std::move(report_);
  }

 private:
  void Set(const std::string& name, double value) {
    if (!std::isnan(value)) report_.metrics[name] = value;
  }
  void Set(const std::string& name, std::int64_t value) {
    report_.metrics[name] = static_cast<double>(value);
  }
  [[nodiscard]] double BaselineAccuracy() const {
    return Share(baseline_.score->right, baseline_.score->rows);
  }

  void Traffic() {
    Set("requests", window_.requests);
    Set("rows", window_.rows);
    Set("sampled", window_.sampled);
    if (window_.requests > 0) {
      Set("error_rate", Share(window_.failed, window_.requests));
      std::int64_t violations = 0;
      for (const auto& [kind, violation] : window_.violations) violations += violation.count;
      Set("schema", Share(violations, window_.requests));
    }
    for (const auto& [name, q] :
         {std::pair("p50", 0.5), std::pair("p95", 0.95), std::pair("p99", 0.99)}) {
      Set(std::string("latency_ms.") + name, window_.latency_us.Quantile(q) / 1'000);
    }
    if (const auto& used = window_.resources; used && used->replicas > 0) {
      const std::int64_t lasted_ms = (window_.ended_ms - window_.begun_ms) * used->replicas;
      if (lasted_ms > 0) Set("cpu", Share(used->cpu_ms, lasted_ms));
      Set("memory_mib", Share(used->memory_bytes, 1 << 20));
    }
  }

  /// The largest effect that is no chance, in bounds; 0: there is none.
  [[nodiscard]] double Largest(const std::vector<ColumnDrift>& columns) const {
    double largest = 0;
    for (const ColumnDrift& column : columns) {
      if (column.p_adjusted > spec_.alpha) continue;
      largest = std::max(largest, column.effect().corrected / column.bound);
    }
    return largest;
  }

  void Inputs() {
    std::size_t at = 0;
    for (const BaselineInput& input : baseline_.inputs) {
      for (const BaselineColumn& column : input.columns) {
        const ColumnWindow& window = window_.columns[at++];
        if (window.all() == 0) continue;
        const std::string prefix = "column." + column.name + ".";
        Set(prefix + "missing", Share(window.missing(), window.all()));
        Set(prefix + "missing_rise",
            Share(window.missing(), window.all()) -
                Share(column.missing, column.count + column.missing + column.infinite));
        Set(prefix + "infinite", Share(window.infinite(), window.all()));
        Set(prefix + "outside", Share(window.outside(), window.all()));
        auto drift = DriftOf(column, window, spec_);
        if (!drift) continue;
        Set(prefix + "drift", drift->effect().corrected);
        Set(prefix + "ks", drift->kolmogorov_smirnov.corrected);
        Set(prefix + "psi", drift->stability.corrected);
        report_.inputs.push_back(std::move(*drift));
      }
    }
    report_.input_drift = Judge(report_.inputs, spec_);
    if (report_.input_drift.columns == 0) return;
    Set("drift.columns", static_cast<std::int64_t>(report_.input_drift.drifted));
    Set("drift.share", report_.input_drift.share);
    Set("drift.largest", Largest(report_.inputs));
  }

  void Predictions() {
    auto& predictions = report_.predictions;
    if (auto classes = ClassDrift("classes", baseline_.predictions, window_.classes, spec_)) {
      predictions.push_back(std::move(*classes));
    }
    if (window_.confidence) {
      if (auto drift = DriftOf(*baseline_.confidence, *window_.confidence, spec_)) {
        predictions.push_back(std::move(*drift));
      }
    }
    for (std::size_t i = 0; i < window_.outputs.size(); ++i) {
      if (auto drift = DriftOf(baseline_.outputs[i], window_.outputs[i], spec_)) {
        predictions.push_back(std::move(*drift));
      }
    }
    report_.prediction_drift = Judge(predictions, spec_);
    for (const ColumnDrift& drift : predictions) {
      Set("predictions." + drift.column + ".drift", drift.effect().corrected);
    }
    if (report_.prediction_drift.columns > 0) Set("predictions.drift", Largest(predictions));
  }

  void Labels() {
    const Performance& performance = window_.performance;
    Set("late", performance.late);
    Set("unknown_labels", performance.unknown);
    Set("labelled", performance.errors.empty() ? performance.rows : performance.errors[0].rows);
    for (std::size_t i = 0; i < performance.errors.size(); ++i) {
      const double mean = performance.errors[i].mean();
      const std::string target = std::to_string(i);
      Set("mae." + target, mean);
      if (i < baseline_.mean_absolute_error.size()) {
        Set("mae_rise." + target, mean / baseline_.mean_absolute_error[i] - 1);
      }
    }
    for (const auto& [name, sums] : performance.segment_errors) Set("mae." + name, sums.mean());
    if (performance.rows == 0) return;
    std::vector<ColumnDrift> labels;
    if (auto drift = ClassDrift("labels", baseline_.labels, performance.labels, spec_)) {
      labels.push_back(std::move(*drift));
      Judge(labels, spec_);
      Set("label_drift", labels[0].effect().corrected);
      report_.labels = std::move(labels[0]);
    }
    const SegmentScore now{performance.rows, performance.right};
    Set("accuracy", Share(now.right, now.rows));
    report_.accuracy_interval = statistics::WilsonInterval(now.right, now.rows, spec_.confidence);
    if (baseline_.score) {
      Set("accuracy_drop", BaselineAccuracy() - Share(now.right, now.rows));
      report_.drop_interval = DropInterval(*baseline_.score, now, spec_.confidence);
      Set("accuracy_drop.least", report_.drop_interval->low);
    }
    for (const auto& [name, score] : performance.segments) {
      if (score.rows > 0) Set("accuracy." + name, Share(score.right, score.rows));
    }
  }

  const Baseline& baseline_;
  const Window& window_;
  const DriftSpec& spec_;
  Report report_;
};

}  // namespace

Report MakeReport(const Baseline& baseline, const Window& window, const DriftSpec& spec) {
  return Builder(baseline, window, spec).Build();
}

}  // namespace muster::registry::monitor
