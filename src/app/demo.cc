#include <fmt/format.h>

#include <boost/json.hpp>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <thread>

#include "app/commands.h"
#include "app/gateway.h"
#include "base/encoding.h"
#include "demo_page.h"
#include "sqlite/demo_shop.h"

namespace tidegate::app {
namespace {

namespace json = boost::json;
using session::HttpAnswer;
using session::HttpRequest;

// Fast enough to be seen at once, slow enough to be followed.
constexpr std::chrono::milliseconds kStep{600};

HttpAnswer answer(const Status& status) {
  if (status) return {200, "application/json", "{}\n"};
  std::string body = R"({"error":)";
  append_json_string(body, status.error().message);
  const int code = status.error().fault == Fault::not_found ? 404
                   : status.error().fault == Fault::invalid ? 400
                                                            : 503;
  return {code, "application/json", body + "}\n"};
}

HttpAnswer add_order(sqlite::DemoShop& shop, const std::string& body) {
  json::error_code failed;
  const json::value order = json::parse(body, failed);
  const json::object* fields = failed ? nullptr : order.if_object();
  const auto text = [&](const char* name) {
    const json::value* value = fields == nullptr ? nullptr : fields->if_contains(name);
    return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
  };
  const json::value* quantity = fields == nullptr ? nullptr : fields->if_contains("quantity");
  if (quantity == nullptr || !quantity->is_int64()) {
    return answer(Error{Fault::invalid, R"(expected {"customer": "…", "product": "…", "quantity": 1})"});
  }
  const auto id = shop.add(text("customer"), text("product"), quantity->get_int64());
  if (!id) return answer(id.error());
  return {200, "application/json", fmt::format("{{\"id\":{}}}\n", *id)};
}

/// `/demo/orders`, `/demo/orders/<id>` and `/demo/orders/<id>/advance`.
HttpAnswer orders(sqlite::DemoShop& shop, const HttpRequest& request) {
  std::string_view rest = std::string_view(request.target).substr(std::string_view("/demo/orders").size());
  if (rest.empty() && request.method == "POST") return add_order(shop, request.body);
  if (rest.starts_with('/')) rest.remove_prefix(1);
  const std::size_t slash = rest.find('/');
  const auto id = parse_i64(rest.substr(0, slash));
  const std::string_view verb = slash == std::string_view::npos ? "" : rest.substr(slash + 1);
  if (id && verb == "advance" && request.method == "POST") return answer(shop.advance(*id));
  if (id && verb.empty() && request.method == "DELETE") return answer(shop.remove(*id));
  return answer(Error{Fault::not_found, "no such order or action"});
}

Routes routes(sqlite::DemoShop& shop, const std::string& path) {
  Routes made;
  made["/"] = [](const HttpRequest&) { return HttpAnswer{200, "text/html; charset=utf-8", kDemoPage}; };
  made["/demo/info"] = [path](const HttpRequest&) {
    std::string body = R"({"database":)";
    append_json_string(body, path);
    return HttpAnswer{200, "application/json", body + "}\n"};
  };
  made["/demo/orders"] = [&shop](const HttpRequest& request) { return orders(shop, request); };
  made["/demo/orders/*"] = made["/demo/orders"];
  return made;
}

/// Lets the shop change by itself until it is destroyed.
class Life {
 public:
  Life(sqlite::DemoShop& shop, Process process)
      : thread_([this, &shop, process] {
          std::unique_lock lock(mutex_);
          while (!ended_.wait_for(lock, kStep, [this] { return stop_; })) {
            if (Status step = shop.step(); !step)
              process.logger.warning("the shop stands still", {{"reason", step.error().message}});
          }
        }) {}
  ~Life() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    ended_.notify_all();
    thread_.join();
  }
  Life(const Life&) = delete;
  Life& operator=(const Life&) = delete;

 private:
  std::mutex mutex_;
  std::condition_variable ended_;
  bool stop_ = false;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace

Status demo(Process process) {
  const std::string& path = process.settings.sqlite_path;
  auto shop = sqlite::DemoShop::open(path);
  if (!shop) return shop.error();
  const Life life(**shop, process);
  return run_gateway(process, routes(**shop, path), [&](std::uint16_t port, std::uint16_t admin_port) {
    fmt::print(
        "\n  Tidegate's demo: {}://127.0.0.1:{}\n  Open it twice. It ends with Ctrl-C; its data stays in "
        "{}.\n  Its metrics: http://{}/metrics\n\n",
        process.settings.tls.certificate.empty() ? "http" : "https", port, path,
        place(process.settings.admin.address, admin_port));
    std::fflush(stdout);
  });
}

}  // namespace tidegate::app
