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

std::size_t CsvRecordEnd(std::string_view text, std::size_t from) {
  const std::size_t line_end = text.find('\n', from);
  // Most records have no quote, and then the next line end is theirs.
  if (text.substr(from, line_end - from).find('"') == std::string_view::npos) {
    return line_end == std::string_view::npos ? line_end : line_end + 1;
  }
  bool inside = false, first = true;
  for (std::size_t at = from; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '\n' && !inside) return at + 1;
    if (c == '"' && inside && at + 1 < text.size() && text[at + 1] == '"') {
      ++at;
    } else if (c == '"' && (inside || first)) {
      inside = !inside;
    }
    first = c == ',' && !inside;
  }
  return std::string_view::npos;
}

Status SplitCsvRecord(std::string_view record, std::vector<std::string_view>& cells,
                      std::vector<std::string>& unquoted) {
  cells.clear();
  unquoted.clear();
  if (record.ends_with('\n')) record.remove_suffix(1);
  if (record.ends_with('\r')) record.remove_suffix(1);
  if (record.find_first_of("\"\r") != std::string_view::npos) {
    auto parsed = ParseCsv(record);
    if (!parsed.ok()) {
      const std::string& message = parsed.error().message;
      return Invalid(message.substr(message.find(": ") + 2));
    }
    if (parsed->size() != 1) return Invalid("not one record");
    for (CsvCell& cell : parsed->front().cells) unquoted.push_back(std::move(cell.text));
    cells.assign(unquoted.begin(), unquoted.end());
    return Ok();
  }
  for (std::size_t at = 0;;) {
    const std::size_t comma = record.find(',', at);
    cells.push_back(record.substr(at, comma - at));
    if (comma == std::string_view::npos) return Ok();
    at = comma + 1;
  }
}

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
