#pragma once

#include <memory>

#include "app/backend.h"
#include "auth/key_ring.h"
#include "transport/credentials.h"

namespace tidegate::app {

/// The keys that the settings name; null where nobody is verified.
Result<std::shared_ptr<auth::KeyRing>> open_keys(Process process);

/// What the settings have a gateway show in TLS; null where they name no certificate.
Result<std::shared_ptr<transport::Credentials>> open_credentials(Process process);

}  // namespace tidegate::app
