#include "integration/deployment.h"

#include <signal.h>

#include <iostream>
#include <sstream>
#include <stdexcept>

namespace tidegate::test {
namespace {

using namespace std::chrono_literals;
using rig::kPatience;

}  // namespace

Deployment::Deployment(std::string url, std::string brokers, std::string name, const Flags& flags)
    : url_(std::move(url)), brokers_(std::move(brokers)), name_(std::move(name)), setup_(flags.setup) {
  setup();
  members_[first].command = command("serve", flags.gateways);
  if (!brokers_.empty()) {
    members_[second].command = members_[first].command;
    members_[matcher].command = command("match", flags.matcher);
  }
  supervisor_ = std::thread([this] { supervise(); });
}

Deployment::~Deployment() {
  stopping_ = true;
  supervisor_.join();
}

Deployment::Words Deployment::command(const std::string& verb, const Words& more) const {
  Words words{verb, "--database", url_};
  if (!brokers_.empty()) {
    words.insert(words.end(), {"--kafka", brokers_, "--topic", name_ + ".diffs", "--slot", name_});
  }
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

void Deployment::setup() {
  rig::Tidegate program(command("setup", setup_), {}, false);
  if (program.process().wait(kPatience) != 0) throw std::runtime_error("setup: " + program.output());
}

std::unique_ptr<rig::Tidegate> Deployment::beside(Who who) {
  Words words = members_[who].command;
  words.insert(words.end(), {"--listen", "127.0.0.1:0"});
  return std::make_unique<rig::Tidegate>(words, Words{}, false);
}

void Deployment::supervise() {
  while (!stopping_) {
    {
      const std::lock_guard lock(mutex_);
      for (Member& member : members_) {
        const bool wanted = member.supervised && !member.command.empty();
        if (wanted && !(member.program && member.program->process().running())) {
          start(member);
        }
      }
    }
    rig::look_again();
  }
  const std::lock_guard lock(mutex_);
  for (Member& member : members_) member.program.reset();
}

void Deployment::start(Member& member) {
  if (member.program) member.said += member.program->output();
  member.port = 0;
  member.admin_port = 0;
  member.program.reset();
  try {
    const Words environment = member.fault.empty() ? Words{} : Words{"TIDEGATE_FAULT=" + member.fault};
    member.program = std::make_unique<rig::Tidegate>(member.command, environment);
    member.port = member.program->port();
    member.admin_port = member.program->admin_port();
  } catch (const std::runtime_error& error) {  // its database or its broker is away: again
    member.said += error.what();
  }
}

bool Deployment::stop_at(Who who, const std::string& fault, const std::function<void()>& meanwhile) {
  Member& member = members_[who];
  {
    const std::lock_guard lock(mutex_);
    member.fault = fault;
    if (member.program) member.program->process().signal(SIGKILL);
    if (member.program) member.program->process().wait();
  }
  return rig::eventually(
      [&] {
        if (meanwhile) meanwhile();
        const std::lock_guard lock(mutex_);
        if (!member.program || !member.program->process().wait_stopped(0ms)) return false;
        member.fault.clear();
        return true;
      },
      kPatience);
}

void Deployment::signal(Who who, int number) {
  const std::lock_guard lock(mutex_);
  Member& member = members_[who];
  if (!member.program) return;
  member.program->process().signal(number);
  if (number == SIGKILL) member.program->process().wait();
}

bool Deployment::ready(Who who) const {
  const int at = admin_port(who);
  try {
    return at != 0 && rig::http(at, "GET", "/readyz").status == 200;
  } catch (const std::runtime_error&) {  // it is away
    return false;
  }
}

std::string Deployment::readyz(Who who) const {
  const int at = admin_port(who);
  try {
    return at == 0 ? std::string() : rig::http(at, "GET", "/readyz").body;
  } catch (const std::runtime_error&) {
    return {};
  }
}

bool Deployment::wait_ready(Who who) {
  return rig::eventually([&] { return ready(who); }, kPatience);
}

std::optional<int> Deployment::wait_ended(Who who) {
  const std::lock_guard lock(mutex_);
  return members_[who].program->process().wait(kPatience);
}

void Deployment::supervise(Who who, bool wanted) {
  const std::lock_guard lock(mutex_);
  members_[who].supervised = wanted;
}

double Deployment::metric(Who who, const std::string& name) const {
  const std::lock_guard lock(mutex_);
  return members_[who].program->metric(name);
}

double Deployment::counted(const std::string& line) const {
  double sum = 0;
  for (const Who who : {first, second}) {
    if (admin_port(who) == 0) continue;
    std::istringstream lines(rig::http(admin_port(who), "GET", "/metrics").body);
    for (std::string text; std::getline(lines, text);) {
      if (text.starts_with(line)) sum += std::stod(text.substr(text.rfind(' ') + 1));
    }
  }
  return sum;
}

double Deployment::dropped(const std::string& reason) const {
  return counted("tidegate_feed_dropped_total{reason=\"" + reason + "\"}");
}

double Deployment::resets(const std::string& reason) const {
  return counted("tidegate_feed_resets_total{reason=\"" + reason + "\"}");
}

std::string Deployment::output(Who who) const {
  const std::lock_guard lock(mutex_);
  const Member& member = members_[who];
  return member.said + (member.program ? member.program->output() : "");
}

std::string Deployment::output() const {
  const std::lock_guard lock(mutex_);
  std::string all;
  for (const Member& member : members_) {
    if (!member.command.empty()) all += "---- " + member.command.front() + "\n" + member.said;
    if (member.program) all += member.program->output();
  }
  return all;
}

}  // namespace tidegate::test
