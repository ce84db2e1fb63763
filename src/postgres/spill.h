#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>

#include "base/budget.h"
#include "base/nameless_file.h"
#include "base/result.h"

namespace tidegate::postgres {

/// Where transactions go that memory shall not hold: a directory, and what all their files may take together.
struct SpillRoom {
  std::string directory;
  std::shared_ptr<Budget> files;
};

/// Records of bytes, one behind the other: in memory until it is told to go on in a file. They are read from
/// the first on, as often as wanted, and can be cut off from a place on. Errors are `fatal` and say what to
/// do. One thread.
class Spill {
 public:
  explicit Spill(SpillRoom room) : room_(std::move(room)), charge_(room_.files) {}
  ~Spill();
  Spill(const Spill&) = delete;
  Spill& operator=(const Spill&) = delete;

  Status append(std::uint32_t tag, std::string_view bytes);
  /// Where the next record will lie.
  [[nodiscard]] std::uint64_t end() const { return filed_ + memory_.size(); }
  /// Forgets what lies at `place` and behind it.
  Status cut(std::uint64_t place);
  /// What it holds in memory.
  [[nodiscard]] std::size_t memory() const { return memory_.size(); }
  /// Writes what memory holds, and from now on all that comes by `kWriteBytes` at once.
  Status go_on_in_file();
  [[nodiscard]] bool in_file() const { return file_.is_open(); }

  /// Gives the records in order; the bytes are there during the call only. Ends at the first Error.
  using Visit = std::function<Status(std::uint32_t tag, std::string_view bytes)>;
  Status each(const Visit& visit) const;

  static constexpr std::size_t kWriteBytes = std::size_t{256} << 10;

 private:
  Status write_out();
  Status each_filed(const Visit& visit) const;
  [[nodiscard]] Error failed(const std::error_code& code) const;

  SpillRoom room_;
  Charge charge_;
  NamelessFile file_;
  std::uint64_t filed_ = 0;  // bytes in the file
  std::string memory_;       // what lies behind them
};

}  // namespace tidegate::postgres
