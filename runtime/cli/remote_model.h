#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "registry/inference_engine.h"
#include "runtime/http/client.h"

namespace muster::cli {

/// A model on a model server that speaks the Open Inference Protocol with the binary extension
/// (registry/serve/infer_codec.h), at ".../v2/models/NAME". Infer may be called from many threads: each has a
/// connection of its own.
class RemoteModel final : public registry::InferenceModel {
 public:
  /// kInvalid for a URL without a model; kUnavailable; kCorrupt for metadata that is not the protocol's.
  static Result<std::unique_ptr<RemoteModel>> Open(const std::string& url);

  [[nodiscard]] const std::vector<registry::TensorSpec>& inputs() const override { return inputs_; }
  [[nodiscard]] const std::vector<registry::TensorSpec>& outputs() const override {
    return outputs_;
  }
  /// kConflict when another version than version() answered.
  Result<std::vector<registry::Tensor>> Infer(const std::vector<registry::Tensor>& inputs) override;
  /// The newest that the server named; empty: none.
  [[nodiscard]] const std::string& version() const { return version_; }

 private:
  RemoteModel(std::string base, std::string path)
      : base_(std::move(base)), path_(std::move(path)) {}
  Status ReadMetadata();
  Result<std::vector<registry::Tensor>> ReadAnswer(const http::Response& answer) const;

  const std::string base_, path_;
  std::string version_;
  std::vector<registry::TensorSpec> inputs_, outputs_;
  std::mutex mutex_;  ///< guards idle_
  std::vector<std::unique_ptr<http::Client>> idle_;
};

}  // namespace muster::cli
