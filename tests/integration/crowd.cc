#include "integration/crowd.h"

#include <iostream>

namespace tidegate::test {
namespace {

using namespace std::chrono_literals;
constexpr auto kBetweenVisits = 500ms;
constexpr auto kVisit = 3s;            // whoever has no rows by then leaves without
constexpr auto kBetweenMoves = 500ms;  // of one who stays, to either gateway, of his own will
constexpr auto kRetry = 200ms;         // of one who stays, after a fault
constexpr std::size_t kDiffs = 300;    // fewer show nothing
constexpr int kWriters = 3;

}  // namespace

Crowd::Crowd(const std::string& url, std::function<int(std::size_t)> port, std::size_t gateways, int stayers)
    : url_(url),
      port_(std::move(port)),
      gateways_(gateways),
      seed_(new_seed()),
      random_(seed_),
      reference_(url, "public.orders", render_order) {
  Workload::fill_table(url);
  // Two of a query, one at each gateway, so that a cursor finds its query at the other one. The first two see
  // what is large.
  RandomQuery query{"select id, status, qty, total, note from orders where status <> 'done'",
                    [](const Reference::Cells& row) { return row.at("status") != "done"; }};
  for (int i = 0; i < stayers; ++i) {
    const std::string text = R"("sql":")" + query.sql + R"(")";
    const int port = port_(static_cast<std::size_t>(i) % gateways_);
    stayers_.push_back({query, std::make_unique<Watcher>(loop_, port, text, i % 4 < 2 ? "json" : "")});
    if (i % 2 == 1) query = random_query(static_cast<std::uint32_t>(random_()));
  }
  traffic_.emplace(url, kWriters, seed_);
  thread_ = std::thread([this] { tend(); });
}

Crowd::~Crowd() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
}

int Crowd::any_port() {
  const std::size_t from = random_();
  for (std::size_t i = 0; i < gateways_; ++i) {
    const int port = port_((from + i) % gateways_);
    if (port != 0) return port;
  }
  return 1;  // nobody listens there: tried again
}

void Crowd::tend() {
  while (!stopping_) {
    tend_stayers();
    tend_visits();
    rig::look_again();
  }
}

void Crowd::tend_stayers() {
  const auto now = std::chrono::steady_clock::now();
  retry_at_.resize(stayers_.size());
  for (std::size_t i = 0; i < stayers_.size(); ++i) {
    if (now < retry_at_[i] || stayers_[i].watcher->fault().empty()) continue;
    retry_at_[i] = now + kRetry;
    stayers_[i].watcher->reconnect(any_port());
  }
  if (now < moved_ + kBetweenMoves) return;
  moved_ = now;
  stayers_[random_() % stayers_.size()].watcher->reconnect(any_port());
}

void Crowd::tend_visits() {
  const auto now = std::chrono::steady_clock::now();
  for (Visit& visit : visits_) {
    if (visit.left) continue;
    Watcher& watcher = *visit.watched.watcher;
    if (now < visit.until && watcher.fault().empty() && watcher.spans().empty()) continue;
    watcher.close();
    visit.left = true;
  }
  const bool due = visits_.empty() || now >= visits_.back().until - kVisit + kBetweenVisits;
  if (!visitors_ || !due) return;
  RandomQuery query = random_query(static_cast<std::uint32_t>(random_()));
  query.sql += " and id <> -" + std::to_string(++visited_);  // nobody else's
  auto watcher = std::make_unique<Watcher>(loop_, any_port(), R"("sql":")" + query.sql + R"(")", "json");
  visits_.push_back({{query, std::move(watcher)}, now + kVisit});
}

bool Crowd::wait_whole() {
  return rig::eventually([this] {
    return std::all_of(stayers_.begin(), stayers_.end(),
                       [](const Watched& each) { return !each.watcher->spans().empty(); });
  });
}

std::vector<int> Crowd::told_stale() const {
  std::vector<int> told;
  for (const Watched& each : stayers_) told.push_back(each.watcher->stales());
  return told;
}

bool Crowd::wait_stale(const std::vector<int>& before) const {
  return rig::eventually([&] {
    const auto now = told_stale();
    for (std::size_t i = 0; i < now.size(); ++i) {
      if (now[i] <= before[i]) return false;
    }
    return true;
  });
}

std::size_t Crowd::diffs() const {
  std::size_t sum = 0;
  for (const Watched& each : stayers_) sum += each.watcher->counts().diffs;
  return sum;
}

/// Whatever happens to its connection meanwhile, it comes back.
void Crowd::await_end(const Watched& stayer, Verdict& verdict) const {
  ExpectedResult end(reference_, stayer.query.matches);
  for (const auto& transaction : reference_.transactions()) end.apply(transaction);
  const auto there = [&] { return stayer.watcher->wait_for(end.fingerprint(), 500ms); };
  if (rig::eventually(there)) return;
  verdict.fault("the end of " + stayer.query.sql + ": " + stayer.watcher->standing());
}

Verdict Crowd::settle() {
  rig::eventually([this] { return diffs() >= kDiffs; });
  traffic_.reset();
  visitors_ = false;
  reference_.read();
  Verdict verdict;
  for (const Watched& each : stayers_) await_end(each, verdict);
  stopping_ = true;
  thread_.join();
  for (const Watched& each : stayers_) judge_history(each, reference_, verdict);
  const std::size_t snapshots = verdict.snapshots;
  for (const Visit& visit : visits_) {
    judge_history(visit.watched, reference_, verdict);
  }
  std::cout << reference_.transactions().size() << " transactions, " << snapshots << " snapshots of "
            << stayers_.size() << " clients who stayed, " << verdict.snapshots - snapshots << " of "
            << visits_.size() << " visits, " << verdict.diffs << " diffs, " << verdict.faults << " faults\n";
  return verdict;
}

}  // namespace tidegate::test
