#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/budget.h"
#include "base/nameless_file.h"
#include "base/result.h"

namespace tidegate::feed {

/// Where spools may be kept.
struct SpoolRoom {
  std::size_t memory_bytes = std::size_t(-1);  ///< of one spool; what is beyond goes into its file
  std::string directory;                       ///< for the files, which have no name there
  std::shared_ptr<Budget> memory;              ///< of the whole process; null: nobody counts
  std::shared_ptr<Budget> files;               ///< of all spools
};

/// A snapshot's messages as tails behind `{"op":"snapshot","hashId":"…"`, encoded once, shared by all who
/// wait for it: the first in memory, the rest in a temporary file that has no name and so dies with us (rule
/// 20). One thread appends; then it is immutable, and any may read.
class Spool {
 public:
  Spool() = default;
  explicit Spool(SpoolRoom room);
  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;
  static std::shared_ptr<const Spool> of(std::vector<std::string> parts);

  /// Errors: `unavailable` (a disk that is full, a directory that can't be written: the message names it) and
  /// `denied` (the budget of all files is spent). The spool is of no use then.
  Status append(std::string part, std::size_t rows = 0);

  [[nodiscard]] std::size_t rows() const { return rows_; }
  [[nodiscard]] std::size_t parts() const { return in_memory_.size() + in_file_.size(); }
  [[nodiscard]] std::size_t bytes() const { return memory_.bytes() + file_.bytes(); }
  [[nodiscard]] std::size_t memory_bytes() const { return memory_.bytes(); }
  /// Lives as long as the spool. Nothing where that part lies in the file.
  [[nodiscard]] std::optional<std::string_view> in_memory(std::size_t part) const;
  /// Appends a part of the file: mostly from the page cache, at worst one read of the disk.
  Status read(std::size_t part, std::string& out) const;

  /// Whether files can be made in the directory; the error (`invalid`) names it.
  static Status check(const std::string& directory);

 private:
  struct Piece {
    std::uint64_t offset = 0;
    std::size_t size = 0;
  };
  Status append_to_file(std::string_view part);

  SpoolRoom room_;
  std::vector<std::string> in_memory_;
  std::vector<Piece> in_file_;
  std::size_t rows_ = 0;
  Charge memory_;
  Charge file_;
  NamelessFile spilled_;
};

}  // namespace tidegate::feed
