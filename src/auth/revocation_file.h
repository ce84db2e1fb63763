#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "auth/revocations.h"
#include "base/result.h"

namespace tidegate::auth {

/// Revocations in a file of one process's, a JSON object a line. Any thread.
class RevocationFile {
 public:
  /// Adds what the file holds, and writes it anew without what is over and what can't be read. A file that is
  /// not there is made. The error names the file, and says why.
  static Result<std::unique_ptr<RevocationFile>> open(const std::string& path, Revocations& revocations);
  ~RevocationFile();
  RevocationFile(const RevocationFile&) = delete;
  RevocationFile& operator=(const RevocationFile&) = delete;

  /// On the disk when it returns. Where it fails the file is as it was, and takes what comes next.
  Status append(const Revocation& revocation);

 private:
  RevocationFile(std::string path, int file) : path_(std::move(path)), file_(file) {}
  const std::string path_;
  std::mutex mutex_;
  int file_;  // guarded by mutex_
};

}  // namespace tidegate::auth
