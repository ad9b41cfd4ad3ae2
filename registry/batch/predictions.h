#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "registry/batch/table.h"
#include "registry/inference_engine.h"

/// A model's answers as text, a line a row.
///
///   CSV      row,<kept columns>,class,label,probability,<outputs>    "logits" of one number a row, else
///            "logits[0]", "logits[1]", ..., row-major; NaN, Infinity, -Infinity
///   JSONL    {"row": 0, "id": "a7", "class": 3, "label": 3, "probability": 0.98, "logits": [...]}    nested as the
///            shape is; kept cells are strings; numbers that JSON has not are strings
///
/// `row` counts the input's rows from 0, wrong ones too. `label` is there with labels.

namespace muster::registry {

/// What the first output's figures of a row are.
enum class Decision {
  kNone,     ///< no scores: neither class nor probability is written
  kUnknown,  ///< nobody says. Two or more floats in a row have a class, the largest; nothing is known of probabilities
  kLogits,  ///< logits, softmax makes them probabilities; one alone is the logit of class 1, sigmoid does
};

struct PredictionForm {
  bool json_lines = false;
  Decision decision = Decision::kUnknown;
  bool labels = false;
  std::vector<std::string> keep;     ///< names of the kept columns
  std::vector<std::string> outputs;  ///< those that are written; {"*"}: all
};

struct Predictions {
  std::string header;         ///< the CSV's first line; empty of JSONL
  std::string text;           ///< a line a row
  std::uint64_t correct = 0;  ///< rows whose class is their label
  bool classes = false;       ///< there is a class to be right or wrong
};

/// `outputs`: the model's, (rows, ...) each. The same for the same rows, whatever else. kInvalid for an output without a
/// dimension of rows, one that form.outputs names and is not there, and names that are twice in a header.
Result<Predictions> WritePredictions(const PredictionForm& form, const RowBatch& rows,
                                     const std::vector<Tensor>& outputs);

}  // namespace muster::registry
