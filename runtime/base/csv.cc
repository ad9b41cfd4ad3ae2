#include "runtime/base/csv.h"

#include <algorithm>

namespace muster {
namespace {

Error At(std::size_t line, const std::string& what) {
  return Invalid(std::to_string(line) + ": " + what);
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<std::vector<CsvRecord>> Run() {
    if (text_.starts_with("\xEF\xBB\xBF")) at_ = 3;
    std::vector<CsvRecord> records;
    while (at_ < text_.size()) {
      if (EndLine()) continue;
      MUSTER_ASSIGN_OR_RETURN(auto record, Record());
      if (!records.empty() && record.cells.size() != records[0].cells.size()) {
        return At(record.line, "wanted " + std::to_string(records[0].cells.size()) +
                                   " cells, as many as the header has, got " +
                                   std::to_string(record.cells.size()));
      }
      records.push_back(std::move(record));
    }
    return records;
  }

 private:
  Result<CsvRecord> Record() {
    CsvRecord record{.line = line_};
    for (;;) {
      MUSTER_ASSIGN_OR_RETURN(record.cells.emplace_back(), Cell());
      if (at_ == text_.size() || EndLine()) return record;
      if (text_[at_] != ',') {
        return At(line_,
                  std::string("wanted a comma or the end of the line after the quotes, got '") +
                      text_[at_] + "'");
      }
      ++at_;
    }
  }

  Result<CsvCell> Cell() {
    if (at_ < text_.size() && text_[at_] == '"') return Quoted();
    const std::size_t end = std::min(text_.find_first_of(",\"\r\n", at_), text_.size());
    CsvCell cell{std::string(text_.substr(at_, end - at_))};
    at_ = end;
    if (at_ < text_.size() && text_[at_] == '"') {
      return At(line_, "a quote inside '" + cell.text +
                           "\"'; put the whole cell into quotes and write \"\"");
    }
    if (at_ < text_.size() && text_[at_] == '\r' && !text_.substr(at_).starts_with("\r\n")) {
      return At(line_, "a carriage return without a line feed");
    }
    return cell;
  }

  Result<CsvCell> Quoted() {
    const std::size_t opened = line_;
    CsvCell cell{.quoted = true};
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] != '"') {
        line_ += text_[at_] == '\n' ? 1 : 0;
      } else if (!text_.substr(at_ + 1).starts_with('"')) {
        ++at_;
        return cell;
      } else {
        ++at_;
      }
      cell.text += text_[at_];
    }
    return At(opened, "a quote that opens here is never closed");
  }

  /// Steps over a line's end if there is one here.
  bool EndLine() {
    const std::string_view rest = text_.substr(at_);
    const std::size_t size = rest.starts_with("\r\n") ? 2 : rest.starts_with('\n') ? 1 : 0;
    at_ += size;
    line_ += size > 0 ? 1 : 0;
    return size > 0;
  }

  std::string_view text_;
  std::size_t at_ = 0, line_ = 1;
};

}  // namespace

Result<std::vector<CsvRecord>> ParseCsv(std::string_view text) { return Parser(text).Run(); }

void AppendCsv(std::string& csv, std::string_view cell) {
  const bool plain = !cell.empty() && cell.find_first_of("\",\r\n") == std::string_view::npos &&
                     cell.front() != ' ' && cell.back() != ' ';
  if (plain) {
    csv += cell;
    return;
  }
  csv += '"';
  for (const char c : cell) {
    if (c == '"') csv += '"';
    csv += c;
  }
  csv += '"';
}

}  // namespace muster
