#pragma once

namespace tenon::platform {

// The calling thread works from here on only when others leave it time: for what nobody waits for.
void YieldToOthers();

// The calling thread runs in short turns from here on and gets its turn soon after it woke, also while others have much to do: for what
// somebody waits for and is done in a moment. Its share of the processor stays as it was. Linux 6.12 and later; before, nothing.
void TakeShortTurns();

}  // namespace tenon::platform
