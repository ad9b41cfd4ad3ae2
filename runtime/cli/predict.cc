// muster predict: rows of a dataset through a model; N rows, C classes.
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <charconv>
#include <cstring>
#include <fstream>
#include <iostream>
#include <memory>
#include <numeric>

#include "registry/inference_engine.h"
#include "registry/serve/infer_codec.h"
#include "runtime/cli/context.h"
#include "runtime/cli/model_fetch.h"
#include "runtime/modules/hdf5.h"
#include "runtime/modules/engines.h"
#include "runtime/wire/codec.h"

namespace muster::cli {
namespace {

constexpr std::uint64_t kBatch = 64;

struct PredictFlags {
  std::string model, in, out, inputs = "images", labels = "labels";
};

/// Answers the first output of a batch.
using Infer = std::function<Result<registry::Tensor>(registry::Tensor inputs)>;

/// The engine in this process, for a directory or a version of the registry.
Result<Infer> LocalModel(const Context& context, const std::string& name) {
  MUSTER_ASSIGN_OR_RETURN(const auto source, MakeModelSource(context, name));
  MUSTER_ASSIGN_OR_RETURN(const auto location, source->Current());
  std::shared_ptr<registry::InferenceEngine> engine =
      modules::MakeOpenVinoEngine(context.program.parent_path());
  MUSTER_ASSIGN_OR_RETURN(auto loaded, engine->Load(location.directory / "model.onnx", 0));
  std::shared_ptr<registry::InferenceModel> model = std::move(loaded);
  return Infer([engine, model](registry::Tensor inputs) -> Result<registry::Tensor> {
    inputs.name = model->inputs().at(0).name;
    MUSTER_ASSIGN_OR_RETURN(auto outputs, model->Infer({std::move(inputs)}));
    return std::move(outputs.at(0));
  });
}

/// A model server's answer to a binary request: JSON, then the tensor's bytes.
Result<registry::Tensor> ReadAnswer(const http::Response& answer) {
  if (answer.status != 200) return http::ErrorFromResponse(answer).With("the model server");
  const auto length = answer.headers.find(registry::serve::kJsonLengthHeader);
  if (length == answer.headers.end()) return Corrupt("the model server's answer is not binary");
  const char* const end = length->second.data() + length->second.size();
  std::size_t split = 0;
  const auto read = std::from_chars(length->second.data(), end, split);
  if (read.ec != std::errc() || read.ptr != end || split > answer.body.size()) {
    return Corrupt("the model server's JSON is " + length->second + " bytes of " +
                   std::to_string(answer.body.size()));
  }
  MUSTER_ASSIGN_OR_RETURN(const auto json,
                          wire::ParseJson(std::string_view(answer.body).substr(0, split)));
  MUSTER_ASSIGN_OR_RETURN(auto fields, wire::FromJson<boost::json::object>(json));
  MUSTER_ASSIGN_OR_RETURN(auto outputs, wire::FromJson<boost::json::array>(fields["outputs"]));
  if (outputs.empty()) return Corrupt("the model server's answer has no output");
  MUSTER_ASSIGN_OR_RETURN(auto output, wire::FromJson<boost::json::object>(outputs[0]));
  registry::Tensor tensor;
  MUSTER_ASSIGN_OR_RETURN(tensor.shape, wire::FromJson<std::vector<std::int64_t>>(output["shape"]));
  MUSTER_ASSIGN_OR_RETURN(const auto type, wire::FromJson<std::string>(output["datatype"]));
  MUSTER_ASSIGN_OR_RETURN(tensor.type, registry::ElementTypeFromName(type));
  MUSTER_ASSIGN_OR_RETURN(auto parameters,
                          wire::FromJson<boost::json::object>(output["parameters"]));
  MUSTER_ASSIGN_OR_RETURN(const auto size,
                          wire::FromJson<std::uint64_t>(parameters["binary_data_size"]));
  // The bytes of other outputs follow those of the first.
  const std::string_view bytes = std::string_view(answer.body).substr(split, size);
  tensor.bytes.resize(bytes.size());
  std::memcpy(tensor.bytes.data(), bytes.data(), bytes.size());
  return tensor;
}

/// A model server at ".../v2/models/NAME".
Result<Infer> RemoteModel(const std::string& url) {
  const auto path_at = url.find('/', url.find("://") + 3);
  if (path_at == std::string::npos) {
    return Invalid("'" + url +
                   "' names no model; wanted like http://127.0.0.1:7071/v2/models/digits");
  }
  auto client = std::make_shared<http::Client>(url.substr(0, path_at));
  const std::string path = url.substr(path_at);
  MUSTER_ASSIGN_OR_RETURN(auto metadata, client->Json("GET", path));
  MUSTER_ASSIGN_OR_RETURN(auto fields, wire::FromJson<boost::json::object>(metadata));
  MUSTER_ASSIGN_OR_RETURN(auto specs, wire::FromJson<boost::json::array>(fields["inputs"]));
  if (specs.empty()) return Invalid(url + " describes no input");
  MUSTER_ASSIGN_OR_RETURN(auto spec, wire::FromJson<boost::json::object>(specs[0]));
  MUSTER_ASSIGN_OR_RETURN(const auto name, wire::FromJson<std::string>(spec["name"]));
  return Infer([client, path, name](const registry::Tensor& inputs) -> Result<registry::Tensor> {
    const std::string head = wire::SerializeJson(boost::json::object{
        {"inputs", boost::json::array{boost::json::object{
                       {"name", name},
                       {"datatype", "FP32"},
                       {"shape", wire::ToJson(inputs.shape)},
                       {"parameters", {{"binary_data_size", inputs.bytes.size()}}}}}},
        {"parameters", {{"binary_data_output", true}}}});
    http::Request request;
    request.method = "POST";
    request.headers["Content-Type"] = "application/octet-stream";
    request.headers[std::string(registry::serve::kJsonLengthHeader)] = std::to_string(head.size());
    request.body = head;
    request.body.append(reinterpret_cast<const char*>(inputs.bytes.data()), inputs.bytes.size());
    MUSTER_ASSIGN_OR_RETURN(const auto answer, client->Send(path + "/infer", std::move(request)));
    return ReadAnswer(answer);
  });
}

/// Column values as floats, whatever the file holds.
template <typename To>
std::vector<To> Widen(const std::vector<std::byte>& bytes, trainer::ElementType type) {
  const auto copy = [&]<typename From>(From) {
    std::vector<From> raw(bytes.size() / sizeof(From));
    std::memcpy(raw.data(), bytes.data(), bytes.size());
    return std::vector<To>(raw.begin(), raw.end());
  };
  switch (type) {
    case trainer::ElementType::kU8:
      return copy(std::uint8_t{});
    case trainer::ElementType::kI32:
      return copy(std::int32_t{});
    case trainer::ElementType::kI64:
      return copy(std::int64_t{});
    case trainer::ElementType::kF32:
      return copy(float{});
    default:
      return copy(double{});
  }
}

class Prediction {
 public:
  Prediction(const trainer::RowSource& rows, std::size_t inputs, std::optional<std::size_t> labels)
      : rows_(rows), inputs_(inputs), labels_(labels) {}

  /// Predicts everything and writes a line a row.
  Status Run(const Infer& infer, std::ostream& out) {
    out << "row,class" << (labels_ ? ",label" : "") << "\n";
    for (std::uint64_t begin = 0; begin < rows_.rows(); begin += kBatch) {
      std::vector<std::uint64_t> batch(std::min(kBatch, rows_.rows() - begin));
      std::iota(batch.begin(), batch.end(), begin);
      MUSTER_RETURN_IF_ERROR(RunBatch(batch, infer, out));
    }
    return Ok();
  }
  [[nodiscard]] std::uint64_t correct() const { return correct_; }

 private:
  Result<std::vector<std::byte>> Read(std::size_t field, const std::vector<std::uint64_t>& batch) {
    std::vector<std::byte> bytes(rows_.fields()[field].row_bytes() * batch.size());
    MUSTER_RETURN_IF_ERROR(rows_.Read(field, batch, bytes.data()));
    return bytes;
  }

  Status RunBatch(const std::vector<std::uint64_t>& batch, const Infer& infer, std::ostream& out) {
    const auto& field = rows_.fields()[inputs_];
    MUSTER_ASSIGN_OR_RETURN(const auto raw, Read(inputs_, batch));
    const auto floats = Widen<float>(raw, field.type);
    registry::Tensor inputs;
    inputs.shape = {static_cast<std::int64_t>(batch.size())};
    inputs.shape.insert(inputs.shape.end(), field.row_shape.begin(), field.row_shape.end());
    inputs.bytes.resize(floats.size() * sizeof(float));
    std::memcpy(inputs.bytes.data(), floats.data(), inputs.bytes.size());
    MUSTER_ASSIGN_OR_RETURN(const auto outputs, infer(std::move(inputs)));
    MUSTER_ASSIGN_OR_RETURN(const auto numbers, registry::ElementCount(outputs.shape));
    if (outputs.type != registry::ElementType::kF32 || outputs.shape.empty() ||
        outputs.shape[0] != static_cast<std::int64_t>(batch.size()) ||
        outputs.bytes.size() != static_cast<std::size_t>(numbers) * sizeof(float)) {
      return Invalid("the model answers " + std::string(registry::ElementTypeName(outputs.type)) +
                     registry::ShapeText(outputs.shape) + " in " +
                     std::to_string(outputs.bytes.size()) + " bytes for " +
                     std::to_string(batch.size()) + " rows; wanted FP32 figures for each");
    }
    std::vector<float> logits(outputs.bytes.size() / sizeof(float));
    std::memcpy(logits.data(), outputs.bytes.data(), outputs.bytes.size());
    const std::size_t classes = logits.size() / batch.size();
    if (classes == 0) return Invalid("the model answers no figures at all");
    std::vector<std::int64_t> labels;
    if (labels_) {
      MUSTER_ASSIGN_OR_RETURN(const auto bytes, Read(*labels_, batch));
      labels = Widen<std::int64_t>(bytes, rows_.fields()[*labels_].type);
    }
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const auto first = logits.begin() + static_cast<std::ptrdiff_t>(i * classes);
      const auto best =
          std::max_element(first, first + static_cast<std::ptrdiff_t>(classes)) - first;
      out << batch[i] << "," << best;
      if (labels_) {
        out << "," << labels[i];
        correct_ += labels[i] == best ? 1 : 0;
      }
      out << "\n";
    }
    return Ok();
  }

  const trainer::RowSource& rows_;
  const std::size_t inputs_;
  const std::optional<std::size_t> labels_;
  std::uint64_t correct_ = 0;
};

int Predict(const Context& context, const PredictFlags& flags) {
  auto infer = flags.model.find("://") == std::string::npos ? LocalModel(context, flags.model)
                                                            : RemoteModel(flags.model);
  if (!infer.ok()) return Fail(context, infer.error());
  auto rows = modules::OpenDatasetFile(context.program.parent_path(), flags.in);
  if (!rows.ok()) return Fail(context, rows.error());
  const auto inputs = trainer::FindField(**rows, flags.inputs);
  if (!inputs.ok()) return Fail(context, inputs.error());
  const auto labels = trainer::FindField(**rows, flags.labels);
  std::ofstream out(flags.out);
  if (!out) return Fail(context, IoError(flags.out, errno));
  Prediction prediction(**rows, *inputs, labels.ok() ? std::optional(*labels) : std::nullopt);
  const Status status = prediction.Run(*infer, out);
  if (!status.ok()) return Fail(context, status.error());
  out.flush();
  if (!out)
    return Fail(context, ResourceExhausted(flags.out + " cannot be written; is the disk full?"));
  boost::json::object summary{{"rows", (*rows)->rows()}, {"out", flags.out}};
  const double accuracy =
      static_cast<double>(prediction.correct()) / static_cast<double>((*rows)->rows());
  if (labels.ok()) summary["accuracy"] = accuracy;
  if (PrintJson(context, summary)) return kDone;
  std::cout << (*rows)->rows() << " rows predicted, in " << flags.out;
  if (labels.ok()) {
    std::cout << "; " << prediction.correct() << " agree with their label, accuracy "
              << Short(accuracy);
  }
  std::cout << "\n";
  return kDone;
}

}  // namespace

void AddPredict(CLI::App& app, Context& context) {
  auto* command = app.add_subcommand("predict", "Classes of a dataset's rows, by a model");
  auto flags = std::make_shared<PredictFlags>();
  command
      ->add_option("--model", flags->model,
                   "NAME@ALIAS, NAME/VERSION, a directory, or a model server's URL "
                   "(http://.../v2/models/NAME)")
      ->required();
  command->add_option("--in", flags->in, "HDF5 file")->required();
  command->add_option("--out", flags->out, "CSV file: row, class, and label when there are labels")
      ->required();
  command->add_option("--inputs", flags->inputs, "Its dataset of inputs")->capture_default_str();
  command->add_option("--labels", flags->labels, "Its dataset of labels, if it has one")
      ->capture_default_str();
  command->callback(
      [&context, flags] { context.run = [&context, flags] { return Predict(context, *flags); }; });
}

}  // namespace muster::cli
