#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "app/backend.h"
#include "auth/revocation_file.h"
#include "auth/revocations.h"
#include "base/result.h"
#include "kafka/bulletin.h"

namespace tidegate::app {

/// The revoked tokens of a gateway, and where they are kept: in Kafka a topic that all gateways read, else a
/// file of this process's, else its memory. One for all starts of a process.
class RevocationStore {
 public:
  /// With Kafka it goes on trying until the topic is read: Revocations::ready says what it waits for.
  static Result<std::shared_ptr<RevocationStore>> open(Process process);
  ~RevocationStore();
  RevocationStore(const RevocationStore&) = delete;
  RevocationStore& operator=(const RevocationStore&) = delete;

  [[nodiscard]] const std::shared_ptr<auth::Revocations>& revocations() const { return revocations_; }
  /// Counts here at once, and is kept when this returns; what is said then is JSON for the operator. An error
  /// says whether it counts here all the same.
  Result<std::string> revoke(auth::Revocation revocation);

 private:
  explicit RevocationStore(Process process);
  void follow();
  [[nodiscard]] Result<std::shared_ptr<kafka::Bulletin>> open_bulletin();
  [[nodiscard]] Status keep(const auth::Revocation& revocation);
  [[nodiscard]] bool wait_a_second();

  Process process_;
  const std::string topic_;  // empty without Kafka
  std::shared_ptr<auth::Revocations> revocations_;
  std::unique_ptr<auth::RevocationFile> file_;
  std::mutex mutex_;
  std::condition_variable stopped_;
  bool stopping_ = false;                      // guarded by mutex_, as is the next
  std::shared_ptr<kafka::Bulletin> bulletin_;  // null while the topic is away
  std::thread thread_;
};

}  // namespace tidegate::app
