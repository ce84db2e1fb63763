#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tidegate::test {

/// What must not be found where it does not belong. Tenants are called `tn07q`; what rows hold of a tenant
/// has its secret, `sx` and 16 hexadecimal digits, which nobody else ever writes.
struct Secrets {
  explicit Secrets(int tenants);
  static std::string name(int tenant);
  std::vector<std::string> of;                    ///< by tenant
  std::map<std::string, int, std::less<>> whose;  ///< the reverse
  std::string nobodys;                            ///< of hidden columns, and of tables without a policy
};

/// What was searched, and what was found.
struct Findings {
  std::size_t frames = 0;
  std::size_t bytes = 0;
  std::size_t foreign = 0;
  std::string first;  ///< the first few, in words
  void add(const Findings& other);
};

/// Searches what one connection of a tenant gets.
class Scanner {
 public:
  /// `tenant`: -1 is nobody's connection, to which everything is foreign.
  Scanner(const Secrets& secrets, int tenant) : secrets_(secrets), tenant_(tenant) {}
  /// Names that the client itself has written may come back to it; secrets may not.
  void said(std::string_view text);
  /// Nothing may hold this either.
  void forbid(std::string text) { forbidden_ = std::move(text); }
  /// One message; what it holds in base64 is looked into.
  void scan(std::string_view bytes);
  [[nodiscard]] const Findings& findings() const { return findings_; }

 private:
  void look(std::string_view bytes);
  void found(std::string_view what, std::string_view where);
  const Secrets& secrets_;
  const int tenant_;
  std::set<std::string, std::less<>> said_;
  std::string forbidden_;
  Findings findings_;
};

/// HS256, whatever the claims are. `header` for those who lie about it.
std::string signed_token(const std::string& claims, const std::string& secret,
                         const std::string& header = R"({"alg":"HS256","typ":"JWT"})");

/// A bare socket that speaks just enough WebSocket to say anything, and searches every byte that comes back,
/// the opening's answer too.
class Raider {
 public:
  Raider(const Secrets& secrets, int tenant, int port, const std::string& headers);
  ~Raider();
  Raider(const Raider&) = delete;
  Raider& operator=(const Raider&) = delete;

  [[nodiscard]] bool open() const { return open_; }
  void forbid(std::string text) { scanner_.forbid(std::move(text)); }
  /// Less than 64 KiB.
  void say(std::string_view text, int opcode = 1);
  /// A subscribe; reads until it is refused, or its rows have come. False where the connection is over.
  bool ask(std::string_view subscribe);
  /// Reads until all that was said so far was looked at; false where the connection is over.
  bool settle();
  /// Reads until so many messages of this `op` have come; false where the connection is over.
  bool hear(const std::string& op, std::size_t count);
  [[nodiscard]] const Findings& findings() const { return scanner_.findings(); }
  /// How often messages of this `op` have come; `(binary)`: binary frames.
  [[nodiscard]] std::size_t heard(const std::string& op) const;

 private:
  bool fill(std::size_t bytes);
  bool read_frame();
  [[nodiscard]] std::size_t answers() const { return heard("error") + heard("snapshot") + rowless_acks_; }
  Scanner scanner_;
  int fd_;
  bool open_ = false;
  std::string buffer_;
  std::map<std::string, std::size_t> heard_;
  std::size_t rowless_acks_ = 0;  // a resume, or a second name
};

}  // namespace tidegate::test
