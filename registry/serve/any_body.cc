#include "registry/serve/any_body.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <utility>

#include "registry/serve/open_inference.h"

namespace muster::registry::serve {

namespace {

constexpr std::string_view kSagemakerBinary = "application/vnd.sagemaker-triton.binary+json";
constexpr std::string_view kVertexBinary = "application/vnd.vertex-ai-triton.binary+json";

/// "Text/CSV; header=absent" -> "text/csv", {"header": "absent"}; names in lower case.
struct ContentType {
  std::string type;
  std::map<std::string, std::string, std::less<>> parameters;
};

std::string Lower(std::string_view text) {
  std::string lower;
  for (const char c : text) {
    if (c != ' ' && c != '\t' && c != '"') {
      lower += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
  }
  return lower;
}

ContentType ParseContentType(std::string_view text) {
  ContentType parsed;
  for (bool first = true; !text.empty(); first = false) {
    const std::size_t end = std::min(text.find(';'), text.size());
    const std::string part = Lower(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::size_t equals = std::min(part.find('='), part.size());
    if (first) {
      parsed.type = part;
    } else if (!part.empty()) {
      parsed.parameters[part.substr(0, equals)] =
          equals == part.size() ? "" : part.substr(equals + 1);
    }
  }
  return parsed;
}

Result<Question> DecodeBinary(const ContentType& type, std::string_view body,
                              const ServedModel& model) {
  const auto length = type.parameters.find("json-header-size");
  MUSTER_ASSIGN_OR_RETURN(InferRequest asked,
                          DecodeInfer(body, length == type.parameters.end() ? "" : length->second,
                                      model.model->inputs()));
  Question question = QuestionOf(std::move(asked));
  if (type.type == kVertexBinary) return question;
  question.encode = [encode = std::move(question.encode)](
                        const ServedModel& served,
                        const std::vector<Tensor>& outputs) -> Result<http::Response> {
    MUSTER_ASSIGN_OR_RETURN(http::Response response, encode(served, outputs));
    const auto size = response.headers.extract(std::string(kJsonLengthHeader));
    if (size) {
      response.headers["Content-Type"] =
          std::string(kSagemakerBinary) + ";json-header-size=" + size.mapped();
    }
    return response;
  };
  return question;
}

/// Whether the JSON is of the Open Inference Protocol: no other form of a body has this key.
bool IsOpenInference(std::string_view body) {
  return body.find("\"datatype\"") != std::string_view::npos;
}

}  // namespace

Question QuestionOf(Invocation asked) {
  Question question{std::exchange(asked.inputs, {}), std::nullopt, {}};
  question.encode = [asked = std::move(asked)](
                        const ServedModel&,
                        const std::vector<Tensor>& outputs) -> Result<http::Response> {
    MUSTER_ASSIGN_OR_RETURN(std::string body, EncodePredictions(asked, outputs));
    return http::Response::Text(std::move(body), 200, "application/json");
  };
  return question;
}

Result<Question> DecodeAnyBody(const http::Request& request, std::string_view body,
                               const ServedModel& model) {
  const std::vector<TensorSpec>& specs = model.model->inputs();
  const ContentType type = ParseContentType(request.Header("Content-Type"));
  if (type.type == kSagemakerBinary || type.type == kVertexBinary) {
    return DecodeBinary(type, body, model);
  }
  const auto charset = type.parameters.find("charset");
  if (charset != type.parameters.end() && charset->second != "utf-8") {
    return Unsupported("the charset is " + charset->second + "; wanted utf-8");
  }
  if (type.type == "text/csv") {
    const auto header = type.parameters.find("header");
    const bool absent = header != type.parameters.end() && header->second == "absent";
    MUSTER_ASSIGN_OR_RETURN(Invocation asked, DecodeCsv(body, !absent, specs));
    return QuestionOf(std::move(asked));
  }
  if (!type.type.empty() && type.type != "application/json") {
    return Unsupported("Content-Type must be application/json or text/csv, got " + type.type);
  }
  if (IsOpenInference(body)) {
    MUSTER_ASSIGN_OR_RETURN(InferRequest asked, DecodeInfer(body, "", specs));
    return QuestionOf(std::move(asked));
  }
  MUSTER_ASSIGN_OR_RETURN(Invocation asked, DecodeInvocation(body, specs));
  return QuestionOf(std::move(asked));
}

Result<Question> DecodeRowsOrAnyBody(const http::Request& request, std::string_view body,
                                     const ServedModel& model) {
  const std::string type = ParseContentType(request.Header("Content-Type")).type;
  // curl -d says so of everything, and the protocols' own examples use it.
  const bool json =
      type.empty() || type == "application/json" || type == "application/x-www-form-urlencoded";
  if (!json || IsOpenInference(body)) return DecodeAnyBody(request, body, model);
  MUSTER_ASSIGN_OR_RETURN(Invocation asked, DecodeInvocation(body, model.model->inputs()));
  if (asked.form == PredictionForm::kByOutput) asked.form = PredictionForm::kRows;
  return QuestionOf(std::move(asked));
}

}  // namespace muster::registry::serve
