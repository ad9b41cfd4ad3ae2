#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace muster::fuzz {

/// An input taken apart at its line ends; what is missing is empty.
class Lines {
 public:
  Lines(const std::uint8_t* data, std::size_t size)
      : rest_(reinterpret_cast<const char*>(data), size) {}

  std::string_view Next() {
    const auto end = rest_.find('\n');
    const std::string_view line = rest_.substr(0, end);
    rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
    return line;
  }
  [[nodiscard]] std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

}  // namespace muster::fuzz
