#pragma once

#include <chrono>
#include <string>

namespace tidegate::sqlite {

/// Waits for something to happen to a database file or its `-wal` (inotify), or for a wake-up. One thread
/// waits; `wake` is for any. Where inotify is not to be had only the wait's length counts.
class FileWatch {
 public:
  explicit FileWatch(const std::string& path);
  ~FileWatch();
  FileWatch(const FileWatch&) = delete;
  FileWatch& operator=(const FileWatch&) = delete;

  /// Returns when a file was written to, after `wake`, or after `wait`. A writer writes the `-wal` file,
  /// perhaps syncs it, and only then makes the commit visible in shared memory, which tells nobody: after an
  /// event the next waits are short, from 1 ms on, each twice the last, up to 64 ms.
  void wait(std::chrono::milliseconds wait);
  void wake();
  /// From now on it is the file that the path names now.
  void look_anew();
  /// Whether the path still names the file of the beginning, or of the last `look_anew`.
  [[nodiscard]] bool same_file() const;

 private:
  void watch_wal();

  std::string path_;
  int inotify_ = -1;
  int wake_ = -1;
  bool wal_watched_ = false;
  std::chrono::milliseconds again_{0};  ///< the next wait after an event; 0: as long as asked
  unsigned long long inode_ = 0;
};

}  // namespace tidegate::sqlite
