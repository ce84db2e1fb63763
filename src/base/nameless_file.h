#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace tidegate {

/// A temporary file without a name in its directory: it is gone with this object, also where the process is
/// killed. One thread at a time; `read` for any number of them while nobody writes.
class NamelessFile {
 public:
  NamelessFile() = default;
  ~NamelessFile() { close(); }
  NamelessFile(NamelessFile&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  NamelessFile& operator=(NamelessFile&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }

  [[nodiscard]] std::error_code open(const std::string& directory);
  [[nodiscard]] bool is_open() const { return descriptor_ >= 0; }
  void close();
  /// All of the bytes, or an error and perhaps some of them.
  [[nodiscard]] std::error_code write(std::uint64_t place, std::string_view bytes);
  /// `io_error` where the file ends before.
  [[nodiscard]] std::error_code read(std::uint64_t place, char* into, std::size_t size) const;
  [[nodiscard]] std::error_code truncate(std::uint64_t size);

 private:
  int descriptor_ = -1;
};

}  // namespace tidegate
