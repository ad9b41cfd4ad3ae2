#pragma once

#include <filesystem>
#include <vector>

#include "registry/compression.h"
#include "registry/promoter.h"

namespace muster::registry {

struct CompressionRequest {
  std::vector<CompressionForm> forms;
  /// Taken from the front of the held-out rows; 0: a quarter of them, at most 256.
  std::int64_t calibration_rows = 0;
  CompressionBound bound;
  std::filesystem::path source;  ///< the model.onnx to compress
};

/// An export whose model is then compressed, so that the form goes the promoter's way like any candidate:
///
///   1. `inner` exports: what matters of it are the held-out rows.
///   2. `source` becomes DIR/full.onnx, which the promoter compares with.
///   3. Forms are built and measured (ChooseForm); the chosen one becomes DIR/model.onnx.
///   4. The calibration rows are taken out of DIR/evaluation.safetensors: no gate sees them.
///   5. DIR/export.json gets environment["form"].
///
/// One thread at a time. What it is built on must outlive it.
class CompressingExporter final : public ModelExporter {
 public:
  CompressingExporter(ModelExporter& inner, InferenceEngine& engine, const Clock& clock,
                      CompressionRequest request)
      : inner_(inner), engine_(engine), clock_(clock), request_(std::move(request)) {}

  /// As of ModelExporter; kInvalid with the table when no form holds the bound.
  Status Export(const ExportRequest& request) override;
  /// Of the last Export; without rows when it did not come to measuring.
  [[nodiscard]] const CompressionChoice& choice() const { return choice_; }

 private:
  Status Compress(const std::filesystem::path& directory);

  ModelExporter& inner_;
  InferenceEngine& engine_;
  const Clock& clock_;
  CompressionRequest request_;
  CompressionChoice choice_;
};

}  // namespace muster::registry
