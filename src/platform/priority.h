#pragma once

namespace tenon::platform {

// The calling thread works from here on only when others leave it time: for what nobody waits for.
void YieldToOthers();

}  // namespace tenon::platform
