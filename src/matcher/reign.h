#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/owner_thread.h"
#include "matcher/activations.h"
#include "matcher/inbox.h"
#include "matcher/ledger.h"
#include "matcher/matcher.h"
#include "matcher/pace.h"
#include "matcher/probe.h"
#include "matcher/record_writer.h"
#include "matcher/roster.h"
#include "matcher/succession.h"
#include "matcher/visibility.h"

namespace tidegate::matcher {

/// One generation's matching, step by step: what Matcher::run does in a loop, and what a simulator steps by
/// itself.
///
///   start()                          takes the slot, the epoch, the generation; nothing is handled yet
///   loop: settle()                   what the control topic and the log have said, between transactions
///         tick()                     what is due by the clock: V, progress, leases, lingering, confirm
///         next(patience()), handle() one event of the change stream
///   finish()                         an orderly end: the slot is confirmed as far as it goes
///
/// An Error of any of them ends the reign and with it the process. All on one thread.
class Reign {
 public:
  Reign(Parts parts, Options options);
  ~Reign();
  Reign(const Reign&) = delete;
  Reign& operator=(const Reign&) = delete;

  Status start();
  Status settle();
  Status tick();
  [[nodiscard]] std::chrono::milliseconds patience() const;
  Status handle(source::StreamEvent event);
  /// In `handle`'s place: the stream gave no event because the database can't be reached. Until it gives one
  /// there is no `progress`, which would say that clients have all there is.
  void out_of_reach() { away_ = true; }
  Status finish();

  [[nodiscard]] Epoch epoch() const { return epoch_; }
  [[nodiscard]] Generation generation() const { return generation_; }
  /// Whether the epoch of the matcher before was carried on; else why not.
  [[nodiscard]] const std::string& epoch_break() const { return epoch_break_; }

 private:
  using Steps = std::chrono::milliseconds;

  // reign_start.cc
  Status follow();
  Status decide_epoch();
  Status enthrone();
  Status fence();
  Status inherit();
  Status keep(const std::string& key);
  Status await(std::string_view what, Steps timeout, const std::function<bool()>& done);
  void store(registry::ControlRecord record);

  // reign_control.cc: the control topic, between transactions
  Status take(Notice& notice);
  void learn(const registry::ControlRecord& record, Offset offset);
  Status run_tasks();
  Status begin(const std::string& key);
  Status began(const std::string& key, Activation activation);
  Status ended(const std::string& key, Activation activation);
  void end_activation(const std::string& key, Activation activation, bool tell);
  Status admit(const std::string& key, const std::string& canonical, Activation activation);
  Status refuse(const std::string& key, std::string_view code, const std::string& message);
  Status answer(const Matched& matched);
  Result<std::shared_ptr<const query::Query>> bind(const std::string& canonical);
  Status read_catalogue();

  // reign.cc: the stream and the clock
  Status handle_event(const source::Idle&) { return {}; }
  Status handle_event(const source::Transaction& transaction);
  Status handle_event(const source::StreamPosition& position);
  Status handle_event(const source::Visibility& visibility);
  Status handle_event(const source::SchemaChanged& changed);
  Status reshaped(const Reshaped& reshaped);
  /// Rule 7: resets what names a rewritten column, in the transaction's place, and notes the tables to be
  /// looked at when it is visible.
  Status altered(const source::Transaction& transaction, std::vector<Effect>& effects);
  /// Looks at the tables that were altered at or below V.
  Status look();
  Status end_renamed();
  Status look_at(std::uint32_t relation);
  [[nodiscard]] std::shared_ptr<const query::TableSchema> refused_as_now(
      const std::shared_ptr<const query::TableSchema>& table) const;
  std::function<void(Offset)> timed();
  Status progress();
  void confirm();
  [[nodiscard]] Pace::Standing standing() const;
  [[nodiscard]] Status check() const;

  Parts parts_;
  Options options_;
  Probe probe_;
  OwnerThread owner_;
  std::shared_ptr<Inbox> inbox_;
  std::unique_ptr<RecordWriter> writer_;
  std::unique_ptr<registry::Following> following_;

  // Who we are.
  const std::uint64_t process_;
  Epoch epoch_;
  std::string epoch_break_;
  Offset epoch_at_{-1};                   // where it is stored, if it is a new one
  std::optional<Offset> other_epoch_at_;  // where another matcher's is, read since we looked
  Generation generation_{-1};
  std::optional<Offset> usurper_;  // another matcher's start record

  // The start's own.
  Predecessor predecessor_;
  bool caught_up_ = false;
  bool reigning_ = false;
  std::size_t unstored_ = 0;
  std::vector<Progressed> first_progress_;
  std::map<Partition, Offset> progressed_;  // rule 10: a log that gives lower offsets is another one

  // The queries.
  query::Catalogue catalogue_;
  Steady catalogue_read_at_{};
  Activations activations_;
  Roster roster_;
  LeaseClock lease_clock_;
  Steady swept_at_{};

  // The stream.
  struct Watched {
    Lsn lsn;
    Steady since;
  };
  bool away_ = false;
  VisibleWatermark watermark_{Lsn()};
  std::optional<Watched> watched_;  // a doubtful commit, for the metric of V's lag
  Ledger ledger_{Lsn()};
  Checkpoints checkpoints_{0};
  Pace pace_;
  /// A table whose definition the catalogue may show only from that LSN's visibility on.
  struct Altered {
    Lsn lsn;
    std::uint32_t relation;
  };
  std::deque<Altered> altered_;
  std::deque<Lsn> waiting_;  // the R of every answer that is not yet followed by a progress with V >= R
  std::optional<Steady> checkpointed_at_;
  Lsn confirmed_;
};

}  // namespace tidegate::matcher
