"""Writes src/transform/unicode_tables.cc from Python's Unicode database.

    python tests/parity/unicode_tables.py > src/transform/unicode_tables.cc
"""

import unicodedata

LAST = 0x3100  # beyond are ideographs, which have no case, and Hangul, which is taken apart by arithmetic


def folded(code):
    parts = [c for c in unicodedata.normalize("NFD", chr(code)) if unicodedata.category(c) != "Mn"]
    return "".join(parts).lower()


def ranges(matches, last=0x20000):
    out = []
    for code in range(0x80, last):
        if not matches(code):
            continue
        if out and out[-1][1] == code - 1:
            out[-1][1] = code
        else:
            out.append([code, code])
    return out


def lines(items, each):
    for at in range(0, len(items), each):
        print("    " + " ".join(items[at:at + each]))


def main():
    print(f"// Made by tests/parity/unicode_tables.py from Unicode {unicodedata.unidata_version}.\n")
    print('#include "transform/unicode_internal.h"\n\n#include <algorithm>\n#include <iterator>\n\nnamespace tenon::transform {\nnamespace {\n')
    print("// Letters whose lower case without accents is another one, and that one.")
    print("constexpr char16_t kFolded[][2] = {")
    pairs = [(code, ord(folded(code))) for code in range(0x80, LAST) if len(folded(code)) == 1 and ord(folded(code)) != code and ord(folded(code)) < 0x10000]
    lines([f"{{0x{a:X}, 0x{b:X}}}," for a, b in pairs], 8)
    print("};\n\nstruct Range {\n  char32_t first, last;\n};\n")
    for name, about, matches in (("kMarks", "Accents and other marks that stand on the letter before them.", lambda c: unicodedata.category(chr(c)) == "Mn"),
                                 ("kPunctuation", "Beyond ASCII.", lambda c: unicodedata.category(chr(c)).startswith("P")),
                                 ("kUnseen", "Controls, formats and private use.", lambda c: unicodedata.category(chr(c)) in ("Cc", "Cf", "Co"))):
        print(f"// {about}\nconstexpr Range {name}[] = {{")
        lines([f"{{0x{a:X}, 0x{b:X}}}," for a, b in ranges(matches)], 8)
        print("};\n")
    print("""// `entries` ascend.
template <std::size_t kSize>
bool Within(const Range (&entries)[kSize], char32_t code) {
  const auto* at = std::upper_bound(entries, entries + kSize, code, [](char32_t c, const Range& range) { return c < range.first; });
  return at != entries && code <= (at - 1)->last;
}

}  // namespace

char32_t Folded(char32_t code) {
  if (code < 0x80) return code >= 'A' && code <= 'Z' ? code + 32 : code;
  const auto* at = std::lower_bound(std::begin(kFolded), std::end(kFolded), code, [](const auto& pair, char32_t c) { return pair[0] < c; });
  return at != std::end(kFolded) && (*at)[0] == code ? (*at)[1] : code;
}

bool IsMark(char32_t code) { return code >= 0x300 && Within(kMarks, code); }

bool IsPunctuation(char32_t code) {
  if (code < 0x80) return (code >= 33 && code <= 47) || (code >= 58 && code <= 64) || (code >= 91 && code <= 96) || (code >= 123 && code <= 126);
  return Within(kPunctuation, code);
}

bool IsUnseen(char32_t code) {
  if (code < 0x80) return code < 32 || code == 127;
  return Within(kUnseen, code);
}

}  // namespace tenon::transform""")


if __name__ == "__main__":
    main()
