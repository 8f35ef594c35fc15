// Saving and loading profiles, and the profile of a whole table.

#include <algorithm>
#include <atomic>
#include <cmath>
#include <thread>

#include "base/hash.h"
#include "base/text.h"
#include "table/profile_internal.h"

namespace tenon::table {
namespace {

// "TnPf", version 3: docs/formats/profile.md.
constexpr std::string_view kColumnMagic = "TnPf\x03";
constexpr std::string_view kTableMagic = "TnPt\x01";

std::string Sealed(std::string_view magic, const std::string& body) {
  ByteWriter out;
  out.bytes() = std::string(magic) + body;
  out.Fixed(Hash64(out.bytes()));
  return std::move(out.bytes());
}

Result<std::string_view> Unsealed(std::string_view magic, std::string_view bytes) {
  if (bytes.size() < magic.size() + 8) return Damaged("it ends early");
  if (bytes.substr(0, 4) != magic.substr(0, 4)) return Damaged("it does not begin as a profile");
  ByteReader seal(bytes.substr(bytes.size() - 8));
  TENON_ASSIGN(const std::uint64_t sum, seal.Fixed());
  bytes.remove_suffix(8);
  if (Hash64(bytes) != sum) return Damaged("its checksum does not match");
  if (bytes[4] < 1 || bytes[4] > magic[4]) {
    return Damaged(Str("its version is ", static_cast<int>(bytes[4]), ", this program reads 1 to ", static_cast<int>(magic[4])));
  }
  return bytes.substr(magic.size());
}

}  // namespace

std::string ColumnProfile::Save() const {
  const State& state = *state_;
  ByteWriter out;
  out.Text(state.field.name);
  out.Byte(static_cast<std::uint8_t>(state.field.type));
  out.Count(static_cast<std::uint64_t>(state.field.width));
  for (const std::int64_t number : {state.count, state.missing, state.infinities[0], state.infinities[1], state.zeros,
                                    state.negatives, state.shortest, state.longest, state.length}) {
    out.Count(static_cast<std::uint64_t>(number));
  }
  out.Number(state.least);
  out.Number(state.most);
  out.Byte(distinct_is_exact() ? 0 : 1);
  if (state.number_sketches != nullptr) {
    state.number_sketches->moments.Save(&out);
    state.number_sketches->histogram.Save(&out);
    state.number_sketches->distinct.Save(&out);
    state.number_sketches->frequent.Save(&out);
  } else if (state.text_sketches != nullptr) {
    state.text_sketches->distinct.Save(&out);
    state.text_sketches->frequent.Save(&out);
  } else if (state.numeric()) {
    std::vector<NumberCounts::Entry> entries;
    for (const auto& entry : state.numbers.slots()) {
      if (entry.count != 0) entries.push_back(entry);
    }
    std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.key < b.key; });
    out.Count(entries.size());
    for (const auto& entry : entries) {
      out.Fixed(entry.key);
      out.Count(static_cast<std::uint64_t>(entry.count));
    }
  } else {
    std::vector<const TextCounts::Entry*> entries;
    for (const auto& entry : state.texts.entries()) entries.push_back(&entry);
    std::sort(entries.begin(), entries.end(), [](const auto* a, const auto* b) { return a->text < b->text; });
    out.Count(entries.size());
    for (const auto* entry : entries) {
      out.Text(entry->text);
      out.Count(static_cast<std::uint64_t>(entry->count));
    }
  }
  if (state.field.type == Type::kTimestamp) {
    for (const std::int64_t rows : Weekly()) out.Count(static_cast<std::uint64_t>(rows));
  }
  if (state.field.type == Type::kEmbedding) out.Text(state.norms != nullptr ? state.norms->Save() : "");
  return Sealed(kColumnMagic, out.bytes());
}

Result<void> ColumnProfile::LoadValues(ByteReader* in) {
  State& state = *state_;
  TENON_ASSIGN(const std::uint8_t form, in->Byte());
  if (form > 1) return Damaged("its values have an unknown form");
  const std::int64_t values = state.field.type == Type::kEmbedding ? 0 : state.numeric() ? state.finite() : state.present();
  const auto fewer = [&] { return Damaged(Str("its values are not the ", values, " that its counts say")); };
  if (form == 1) {
    if (values <= kExactDistinct) return fewer();
    if (state.numeric()) {
      state.number_sketches = std::make_unique<NumberSketches>();
      TENON_ASSIGN(state.number_sketches->moments, Moments::Load(in));
      TENON_ASSIGN(state.number_sketches->histogram, LogHistogram::Load(in));
      TENON_ASSIGN(state.number_sketches->distinct, DistinctSketch::Load(in));
      TENON_ASSIGN(state.number_sketches->frequent, FrequentSketch::Load(in, 8));
      if (state.number_sketches->histogram.total() != values) return fewer();
    } else {
      state.text_sketches = std::make_unique<TextSketches>();
      TENON_ASSIGN(state.text_sketches->distinct, DistinctSketch::Load(in));
      TENON_ASSIGN(state.text_sketches->frequent, FrequentSketch::Load(in, kTextCode));
    }
    return {};
  }
  TENON_ASSIGN(const std::uint64_t entries, in->CountUpTo(kExactDistinct));
  std::int64_t sum = 0;
  for (std::uint64_t i = 0; i < entries; ++i) {
    std::uint64_t key = 0;
    std::string_view text;
    if (state.numeric()) {
      TENON_ASSIGN(key, in->Fixed());
      if (!std::isfinite(state.ValueOf(key))) return Damaged("a value is not finite");
    } else {
      TENON_ASSIGN(text, in->Text());
    }
    TENON_ASSIGN(const std::int64_t count, in->NotNegative());
    if (count == 0) return Damaged("a value never came");
    sum += count;
    if (state.numeric()) {
      state.numbers.Add(key, count);
    } else {
      state.texts.Add(text, Hash64(text), count);
    }
  }
  if (state.numbers.size() + state.texts.size() != entries) return Damaged("a value stands twice");
  if (sum != values) return fewer();
  return {};
}

Result<ColumnProfile> ColumnProfile::Load(std::string_view bytes) {
  TENON_ASSIGN(const std::string_view body, Unsealed(kColumnMagic, bytes));
  ByteReader in(body);
  ColumnProfile out;
  State& state = *out.state_;
  TENON_ASSIGN(state.field.name, in.Text());
  TENON_ASSIGN(const std::uint8_t type, in.Byte());
  if (type > static_cast<std::uint8_t>(Type::kEmbedding)) return Damaged("its type is unknown");
  state.field.type = static_cast<Type>(type);
  TENON_ASSIGN(const std::uint64_t width, in.CountUpTo(1 << 24));
  state.field.width = static_cast<int>(width);
  for (std::int64_t* number : {&state.count, &state.missing, &state.infinities[0], &state.infinities[1], &state.zeros,
                               &state.negatives, &state.shortest, &state.longest, &state.length}) {
    TENON_ASSIGN(*number, in.NotNegative());
  }
  if (state.finite() < 0 || state.present() < 0) return Damaged("it has more missing values than rows");
  TENON_ASSIGN(state.least, in.Number());
  TENON_ASSIGN(state.most, in.Number());
  if (!(state.least <= state.most)) return Damaged("its extremes are out of order");
  if (!std::isfinite(state.least) || !std::isfinite(state.most)) return Damaged("its extremes are not finite");
  TENON_TRY(out.LoadValues(&in), Str("column '", state.field.name, "'"));
  const bool has_weeks = bytes[4] >= 3;
  if (has_weeks && state.field.type == Type::kTimestamp) {
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < 168; ++i) {
      TENON_ASSIGN(const std::int64_t rows, in.NotNegative());
      if (rows > 0 && state.weekly.empty()) state.weekly.resize(168);
      if (rows > 0) state.weekly[i] = rows;
      sum += rows;
      if (sum > state.present()) return Damaged("it has more moments than rows");
    }
  }
  if (has_weeks && state.field.type == Type::kEmbedding) {
    TENON_ASSIGN(const std::string_view saved, in.Text());
    if (!saved.empty()) {
      TENON_ASSIGN(ColumnProfile norms, ColumnProfile::Load(saved), "its norms");
      if (norms.field().type != Type::kFloat64 || norms.count() > state.present()) return Damaged("its norms are not of its rows");
      state.norms = std::make_unique<ColumnProfile>(std::move(norms));
    }
  }
  if (in.left() != 0) return Damaged("bytes follow its end");
  return out;
}

Profile::Profile(const Schema& schema) {
  columns_.reserve(schema.fields().size());
  for (const Field& field : schema.fields()) columns_.emplace_back(field);
}

void Profile::Add(const Batch& batch) {
  assert(batch.columns() == static_cast<int>(columns_.size()));
  rows_ += batch.rows();
  for (int i = 0; i < batch.columns(); ++i) column(i).Add(batch.column(i));
}

Result<void> Profile::Merge(const Profile& other) {
  if (other.columns_.size() != columns_.size()) {
    return Error(Code::kInvalidArgument, Str("a profile of ", columns_.size(), " columns cannot take in one of ",
                                             other.columns_.size(), "; both must be of one schema"));
  }
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    const Field& mine = columns_[i].field();
    const Field& theirs = other.columns_[i].field();
    if (mine.name != theirs.name || mine.type != theirs.type) {
      return Error(Code::kInvalidArgument, Str("column ", i + 1, " is '", mine.name, "' (", NameOf(mine.type), ") here and '",
                                               theirs.name, "' (", NameOf(theirs.type),
                                               ") in the other profile; both must be of one schema"));
    }
  }
  for (std::size_t i = 0; i < columns_.size(); ++i) TENON_TRY(columns_[i].Merge(other.columns_[i]));
  rows_ += other.rows_;
  return {};
}

const ColumnProfile* Profile::Find(std::string_view name) const {
  for (const ColumnProfile& column : columns_) {
    if (column.field().name == name) return &column;
  }
  return nullptr;
}

Json Profile::ToJson() const {
  Json out = Json::MakeObject();
  out["rows"] = rows_;
  Json columns = Json::MakeArray();
  for (const ColumnProfile& column : columns_) columns.Push(column.ToJson());
  out["columns"] = std::move(columns);
  return out;
}

std::string Profile::Save() const {
  ByteWriter out;
  out.Count(static_cast<std::uint64_t>(rows_));
  out.Count(columns_.size());
  for (const ColumnProfile& column : columns_) out.Text(column.Save());
  return Sealed(kTableMagic, out.bytes());
}

Result<Profile> Profile::Load(std::string_view bytes) {
  TENON_ASSIGN(const std::string_view body, Unsealed(kTableMagic, bytes));
  ByteReader in(body);
  Profile out;
  TENON_ASSIGN(out.rows_, in.NotNegative());
  TENON_ASSIGN(const std::uint64_t columns, in.CountUpTo(in.left()));
  for (std::uint64_t i = 0; i < columns; ++i) {
    TENON_ASSIGN(const std::string_view saved, in.Text());
    TENON_ASSIGN(ColumnProfile column, ColumnProfile::Load(saved));
    out.columns_.push_back(std::move(column));
  }
  if (in.left() != 0) return Damaged("bytes follow its end");
  return out;
}

Result<Profile> ProfileOf(const Call& call, const Schema& schema, const std::vector<Batch>& batches) {
  constexpr std::int64_t kRows = 1 << 16;  // of one piece of work
  struct Piece {
    const Batch* batch;
    std::int64_t from, rows;
  };
  std::vector<Piece> pieces;
  for (const Batch& batch : batches) {
    if (batch.schema() != schema) {
      return Error(Code::kInvalidArgument, "a batch to profile has other columns than the table; give all batches one schema");
    }
    for (std::int64_t from = 0; from < batch.rows(); from += kRows) {
      pieces.push_back({&batch, from, std::min(kRows, batch.rows() - from)});
    }
  }
  // Any thread takes any piece: merging gives the same bytes whoever did what.
  const auto threads = std::max<std::size_t>(1, std::min(static_cast<std::size_t>(std::max(call.threads, 1)), pieces.size()));
  std::vector<Profile> profiles(threads, Profile(schema));
  std::vector<Result<void>> results(threads);
  std::atomic<std::size_t> next = 0;
  const auto work = [&](std::size_t me) {
    for (std::size_t i = next++; i < pieces.size(); i = next++) {
      results[me] = call.Check();
      if (!results[me].ok()) return;
      const Piece& piece = pieces[i];
      const bool whole = piece.rows == piece.batch->rows();
      profiles[me].Add(whole ? *piece.batch : piece.batch->Slice(piece.from, piece.rows));
    }
  };
  {
    std::vector<std::jthread> others;
    for (std::size_t i = 1; i < threads; ++i) others.emplace_back(work, i);
    work(0);
  }
  for (auto& result : results) {
    if (!result.ok()) return std::move(result).error().Context("profiling");
  }
  for (std::size_t i = 1; i < threads; ++i) TENON_TRY(profiles[0].Merge(profiles[i]));
  return std::move(profiles[0]);
}

}  // namespace tenon::table
