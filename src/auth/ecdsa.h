#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

using EVP_PKEY = struct evp_pkey_st;

namespace tidegate::auth {

/// The name of an EC key's curve, as OpenSSL spells it.
std::string curve_of(const EVP_PKEY* key);

/// A signature as JWS writes it, r and s of `number_bytes` each one behind the other (RFC 7518 section 3.4),
/// as the ASN.1 that OpenSSL wants. Nothing where it has another length.
std::optional<std::string> ecdsa_der(std::string_view signature, std::size_t number_bytes);

}  // namespace tidegate::auth
