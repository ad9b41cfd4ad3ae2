#include "runtime/cli/remote_model.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <charconv>
#include <cstring>

#include "registry/serve/infer_codec.h"
#include "runtime/wire/codec.h"

namespace muster::cli {
namespace {

using boost::json::array;
using boost::json::object;
using registry::Tensor;
using registry::TensorSpec;

struct Described {
  TensorSpec spec;
  object fields;
};

/// {"name", "datatype", "shape", ...}, of metadata and of answers alike.
Result<Described> Describe(const boost::json::value& json) {
  Described result;
  MUSTER_ASSIGN_OR_RETURN(result.fields, wire::FromJson<object>(json));
  auto& fields = result.fields;
  MUSTER_ASSIGN_OR_RETURN(result.spec.name, wire::FromJson<std::string>(fields["name"]));
  MUSTER_ASSIGN_OR_RETURN(const auto type, wire::FromJson<std::string>(fields["datatype"]));
  MUSTER_ASSIGN_OR_RETURN(result.spec.type, registry::ElementTypeFromName(type));
  MUSTER_ASSIGN_OR_RETURN(result.spec.shape,
                          wire::FromJson<std::vector<std::int64_t>>(fields["shape"]));
  return result;
}

Result<std::vector<TensorSpec>> Specs(const boost::json::value& list) {
  MUSTER_ASSIGN_OR_RETURN(const auto entries, wire::FromJson<array>(list));
  std::vector<TensorSpec> specs;
  for (const auto& entry : entries) {
    MUSTER_ASSIGN_OR_RETURN(Described described, Describe(entry));
    specs.push_back(std::move(described.spec));
  }
  return specs;
}

http::Request RequestOf(const std::vector<Tensor>& inputs) {
  array described;
  std::string tensors;
  for (const Tensor& input : inputs) {
    described.push_back(object{{"name", input.name},
                               {"datatype", registry::ElementTypeName(input.type)},
                               {"shape", wire::ToJson(input.shape)},
                               {"parameters", {{"binary_data_size", input.bytes.size()}}}});
    tensors.append(reinterpret_cast<const char*>(input.bytes.data()), input.bytes.size());
  }
  http::Request request;
  request.method = "POST";
  request.body = wire::SerializeJson(
      object{{"inputs", std::move(described)}, {"parameters", {{"binary_data_output", true}}}});
  request.headers["Content-Type"] = "application/octet-stream";
  request.headers[std::string(registry::serve::kJsonLengthHeader)] =
      std::to_string(request.body.size());
  request.body += tensors;
  return request;
}

/// The length of the JSON that an answer begins with.
Result<std::size_t> JsonLength(const http::Response& answer) {
  const auto length = answer.headers.find(registry::serve::kJsonLengthHeader);
  if (length == answer.headers.end()) return Corrupt("the model server's answer is not binary");
  const char* const end = length->second.data() + length->second.size();
  std::size_t split = 0;
  const auto read = std::from_chars(length->second.data(), end, split);
  if (read.ec == std::errc() && read.ptr == end && split <= answer.body.size()) return split;
  return Corrupt("the model server's JSON is " + length->second + " bytes of " +
                 std::to_string(answer.body.size()));
}

}  // namespace

Result<std::unique_ptr<RemoteModel>> RemoteModel::Open(const std::string& url) {
  const auto path_at = url.find('/', url.find("://") + 3);
  if (path_at == std::string::npos) {
    return Invalid("'" + url +
                   "' names no model; wanted like http://127.0.0.1:7071/v2/models/digits");
  }
  std::unique_ptr<RemoteModel> model(new RemoteModel(url.substr(0, path_at), url.substr(path_at)));
  const Status read = model->ReadMetadata();
  if (!read.ok()) return read.error().With(url);
  return model;
}

Status RemoteModel::ReadMetadata() {
  http::Client client(base_);
  MUSTER_ASSIGN_OR_RETURN(const auto metadata, client.Json("GET", path_));
  MUSTER_ASSIGN_OR_RETURN(auto fields, wire::FromJson<object>(metadata));
  MUSTER_ASSIGN_OR_RETURN(inputs_, Specs(fields["inputs"]));
  MUSTER_ASSIGN_OR_RETURN(outputs_, Specs(fields["outputs"]));
  if (inputs_.empty()) return Invalid("the model describes no input");
  const auto versions = wire::FromJson<std::vector<std::string>>(fields["versions"]);
  if (versions.ok() && !versions->empty()) version_ = versions->back();
  return Ok();
}

Result<std::vector<Tensor>> RemoteModel::Infer(const std::vector<Tensor>& inputs) {
  std::unique_ptr<http::Client> client;
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      client = std::move(idle_.back());
      idle_.pop_back();
    }
  }
  if (!client) client = std::make_unique<http::Client>(base_);
  MUSTER_ASSIGN_OR_RETURN(const auto answer, client->Send(path_ + "/infer", RequestOf(inputs)));
  {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(client));
  }
  return ReadAnswer(answer);
}

Result<std::vector<Tensor>> RemoteModel::ReadAnswer(const http::Response& answer) const {
  if (answer.status != 200) return http::ErrorFromResponse(answer).With("the model server");
  MUSTER_ASSIGN_OR_RETURN(std::size_t at, JsonLength(answer));
  MUSTER_ASSIGN_OR_RETURN(const auto json,
                          wire::ParseJson(std::string_view(answer.body).substr(0, at)));
  MUSTER_ASSIGN_OR_RETURN(auto fields, wire::FromJson<object>(json));
  const auto version = wire::FromJson<std::string>(fields["model_version"]);
  if (version.ok() && !version_.empty() && *version != version_) {
    return Conflict("the model server went from version " + version_ + " to " + *version +
                    "; begin anew, or name the version: .../v2/models/NAME/versions/N");
  }
  MUSTER_ASSIGN_OR_RETURN(const auto entries, wire::FromJson<array>(fields["outputs"]));
  std::vector<Tensor> outputs;
  for (const auto& entry : entries) {
    MUSTER_ASSIGN_OR_RETURN(Described described, Describe(entry));
    MUSTER_ASSIGN_OR_RETURN(auto parameters,
                            wire::FromJson<object>(described.fields["parameters"]));
    MUSTER_ASSIGN_OR_RETURN(const auto size,
                            wire::FromJson<std::uint64_t>(parameters["binary_data_size"]));
    const auto& spec = described.spec;
    const std::string_view bytes = std::string_view(answer.body).substr(at, size);
    if (bytes.size() != size) return Corrupt("the model server's answer ends within " + spec.name);
    at += size;
    Tensor& output = outputs.emplace_back(Tensor{spec.name, spec.type, spec.shape, {}});
    output.bytes.resize(bytes.size());
    std::memcpy(output.bytes.data(), bytes.data(), bytes.size());
  }
  if (outputs.empty()) return Corrupt("the model server's answer has no output");
  return outputs;
}

}  // namespace muster::cli
