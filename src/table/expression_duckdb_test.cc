// Random expressions give what DuckDB gives, row by row. Where the two differ on purpose (division by zero, logarithms
// of negative numbers and the like are null here and errors there; texts and numbers by position) a macro says so.

#include <dlfcn.h>
#include <duckdb.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <random>

#include "base/testing.h"
#include "base/text.h"
#include "table/expression.h"

namespace tenon::table {
namespace {

constexpr int kExpressions = 10000;
constexpr int kRows = 40;

struct DuckDb {
  decltype(&duckdb_open) open = nullptr;
  decltype(&duckdb_connect) connect = nullptr;
  decltype(&duckdb_disconnect) disconnect = nullptr;
  decltype(&duckdb_close) close = nullptr;
  decltype(&duckdb_query) query = nullptr;
  decltype(&duckdb_destroy_result) destroy_result = nullptr;
  decltype(&duckdb_result_error) result_error = nullptr;
  decltype(&duckdb_value_is_null) is_null = nullptr;
  decltype(&duckdb_value_double) value_double = nullptr;
  decltype(&duckdb_value_varchar) value_varchar = nullptr;
  decltype(&duckdb_free) free = nullptr;

  bool Load() {
    std::array<char, 4096> self;
    const ssize_t size = readlink("/proc/self/exe", self.data(), self.size());
    const std::string path(self.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    void* library = dlopen((path.substr(0, path.rfind('/')) + "/../lib/libduckdb.so").c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) return false;
    const auto bind = [library](const char* name, auto* out) {
      *out = reinterpret_cast<std::remove_pointer_t<decltype(out)>>(dlsym(library, name));
      return *out != nullptr;
    };
    return bind("duckdb_open", &open) && bind("duckdb_connect", &connect) && bind("duckdb_disconnect", &disconnect) &&
           bind("duckdb_close", &close) && bind("duckdb_query", &query) && bind("duckdb_destroy_result", &destroy_result) &&
           bind("duckdb_result_error", &result_error) && bind("duckdb_value_is_null", &is_null) &&
           bind("duckdb_value_double", &value_double) && bind("duckdb_value_varchar", &value_varchar) && bind("duckdb_free", &free);
  }
};

// How tightly the outermost operator binds.
enum Level { kOr = 1, kAnd, kNot, kIs, kComparison, kRange, kConcat, kSum, kProduct, kSign, kPrimary };

struct Pair {
  std::string ours, duck;
  int level = kPrimary;
};

class Generator {
 public:
  explicit Generator(std::uint64_t seed) : random_(seed) {}
  int Below(int n) { return static_cast<int>(random_() % static_cast<std::uint64_t>(n)); }
  template <std::size_t n>
  std::string Any(const char* const (&list)[n]) { return list[Below(static_cast<int>(n))]; }

  Pair Make(Type type, int depth) {
    switch (type) {
      case Type::kBool: return Bool(depth);
      case Type::kString: return Text(depth);
      case Type::kTimestamp: return Time(depth);
      default: return Number(depth);
    }
  }

  Type AnyType() {
    constexpr std::array<Type, 4> kTypes = {Type::kFloat64, Type::kBool, Type::kString, Type::kTimestamp};
    return kTypes[static_cast<std::size_t>(Below(4))];
  }

 private:
  // In brackets when it binds more loosely than `least`, and sometimes for nothing.
  static Pair Bracket(const Pair& a) { return {"(" + a.ours + ")", "(" + a.duck + ")", kPrimary}; }
  Pair At(Pair a, int least) { return a.level < least || Below(6) == 0 ? Bracket(a) : a; }
  Pair Infix(const Pair& a, const std::string& op, const Pair& b, int level, int left, int right) {
    const Pair x = At(a, left);
    const Pair y = At(b, right);
    return {x.ours + " " + op + " " + y.ours, x.duck + " " + op + " " + y.duck, level};
  }
  static Pair Apply(const std::string& ours, const std::string& duck, const std::vector<Pair>& args) {
    Pair out{ours + "(", duck + "("};
    for (std::size_t i = 0; i < args.size(); ++i) {
      out.ours += (i == 0 ? "" : ", ") + args[i].ours;
      out.duck += (i == 0 ? "" : ", ") + args[i].duck;
    }
    return {out.ours + ")", out.duck + ")", kPrimary};
  }
  static Pair Same(const std::string& text) { return {text, text, kPrimary}; }

  // What every type has.
  bool AnyOf(Type type, int depth, Pair* out) {
    const auto make = [&] { return Make(type, depth - 1); };
    switch (Below(12)) {
      case 0: *out = Apply("COALESCE", "COALESCE", {make(), make()}); return true;
      case 1: *out = Apply("NULLIF", "NULLIF", {make(), make()}); return true;
      case 2: {
        const Pair c = Bool(depth - 1), a = make(), b = make();
        *out = {Str("CASE WHEN ", c.ours, " THEN ", a.ours, " ELSE ", b.ours, " END"),
                Str("CASE WHEN ", c.duck, " THEN ", a.duck, " ELSE ", b.duck, " END")};
        return true;
      }
      case 3: {
        const Type of = AnyType();
        const Pair x = Make(of, depth - 1), v = Make(of, depth - 1), w = Make(of, depth - 1), a = make(), b = make();
        *out = {Str("CASE ", x.ours, " WHEN ", v.ours, " THEN ", a.ours, " WHEN ", w.ours, " THEN ", b.ours, " END"),
                Str("CASE ", x.duck, " WHEN ", v.duck, " THEN ", a.duck, " WHEN ", w.duck, " THEN ", b.duck, " END")};
        return true;
      }
      default: return false;
    }
  }

  Pair Literal() {
    const std::string digits = Any({"0", "1", "2", "2.5", "0.1", "1e3", "7", "100", ".5"});
    return {digits, "CAST(" + digits + " AS DOUBLE)", kPrimary};
  }

  Pair Number(int depth) {
    if (depth <= 0) return Below(3) == 0 ? Literal() : Same(Any({"a", "b", "c"}));
    if (Pair out; AnyOf(Type::kFloat64, depth, &out)) return out;
    const auto number = [&] { return Number(depth - 1); };
    switch (Below(24)) {
      case 0: case 1: return Infix(number(), Any({"+", "-"}), number(), kSum, kSum, kProduct);
      case 2: case 3: return Infix(number(), Any({"*", "/", "%"}), number(), kProduct, kProduct, kSign);
      case 4: {
        const Pair a = At(number(), kSign);
        return {"- " + a.ours, "- " + a.duck, kSign};
      }
      case 5: return Wrapped(Any({"LN", "LOG10", "SQRT"}), {number()});
      // Not so large that a product becomes infinite: infinity times zero is null here and NaN there.
      case 6: return Wrapped("EXP", {Apply("LEAST", "LEAST", {number(), Same(Any({"1", "2.5", "7", "100"}))})});
      case 7: return Wrapped("POW", {number(), {Any({"2", "-1", "0.5", "0"}), ""}});
      case 8: {
        const std::string name = Any({"ABS", "FLOOR", "CEIL"});
        return Apply(name, name, {number()});
      }
      case 9: return Wrapped("SIGN", {number()});
      case 10: return Apply("ROUND", "ROUND", {number()});
      case 11: return Apply("ROUND", "ROUND", {number(), Same(Any({"0", "1", "2", "-1"}))});
      case 12: {
        const std::string name = Any({"LEAST", "GREATEST"});
        return Apply(name, name, {number(), number(), number()});
      }
      case 13: return Wrapped("LENGTH", {Text(depth - 1)});
      case 14: case 15: return Wrapped(Any({"YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "WEEKDAY", "EPOCH"}), {Time(depth - 1)});
      case 18: return Wrapped(Any({"SECOND", "QUARTER", "WEEK", "DAYOFYEAR"}), {Time(depth - 1)});
      case 19: {
        const std::string unit = Any({"'second'", "'minute'", "'hour'", "'day'", "'week'", "'month'", "'quarter'", "'year'"});
        return Wrapped("DATE_DIFF", {Same(unit), Time(depth - 1), Time(depth - 1)});
      }
      case 20: return Wrapped(Any({"SIN", "COS", "TAN", "ASIN", "ACOS", "LOG2"}), {Apply("LEAST", "LEAST", {Apply("ABS", "ABS", {number()}), Same(Any({"0.5", "1", "100"}))})});
      case 21: {
        const std::string name = Any({"ATAN", "CBRT", "TRUNC", "DEGREES", "RADIANS"});
        return Apply(name, name, {number()});
      }
      case 22: return Wrapped("STRPOS", {Text(depth - 1), Same(Any({"'a'", "'ö'", "'ab'", "'%'", "t"}))});
      case 23: {
        const Pair c = Bool(depth - 1), a = number(), b = number();
        if (Below(2) == 0) return Apply("IF", "IF", {c, a, b});
        const Pair t = Below(2) == 0 ? Same(Any({"'12'", "' 2.5 '", "'x'", "'1e3'", "''"})) : Same("s");
        return {Str("CAST(", t.ours, " AS DOUBLE)"), Str("TRY_CAST(", t.duck, " AS DOUBLE)"), kPrimary};
      }
      case 16: {
        const Pair x = At(Time(depth - 1), kSum), y = At(Time(depth - 1), kProduct);
        return {x.ours + " - " + y.ours, "t_seconds(" + x.duck + ", " + y.duck + ")", kSum};
      }
      default: return Same(Any({"a", "b", "c"}));
    }
  }

  // A function that is a macro of its own on the other side.
  static Pair Wrapped(const std::string& name, std::vector<Pair> args) {
    for (Pair& arg : args) {
      if (arg.duck.empty()) arg.duck = "CAST(" + arg.ours + " AS DOUBLE)";
    }
    return Apply(name, "t_" + ToLower(name), args);
  }

  Pair Text(int depth) {
    if (depth <= 0) return Below(3) == 0 ? Same(Any({"''", "'a'", "'Köln'", "'it''s'", "' x '", "'%'"})) : Same(Any({"s", "t"}));
    if (Pair out; AnyOf(Type::kString, depth, &out)) return out;
    const auto text = [&] { return Text(depth - 1); };
    switch (Below(14)) {
      case 9: {
        const std::string name = Any({"LEFT", "RIGHT"});
        return Apply(name, name, {text(), Same(Any({"0", "1", "2", "9", "-1", "-9"}))});
      }
      case 10: return Apply("SPLIT_PART", "SPLIT_PART", {text(), Same(Any({"'a'", "' '", "'ö'", "'%'"})), Same(Any({"1", "2", "3", "-1", "-2"}))});
      case 11: {
        const std::string name = Any({"LPAD", "RPAD"});
        return Apply(name, name, {text(), Same(Any({"0", "1", "3", "12"})), Same(Any({"'x'", "'öa'"}))});
      }
      case 12: {
        const std::string name = Any({"LTRIM", "RTRIM", "REVERSE"});
        return Apply(name, name, {text()});
      }
      case 13: return Apply("REPEAT", "REPEAT", {text(), Same(Any({"0", "1", "2", "-1"}))});
      case 0: case 1: return Infix(text(), "||", text(), kConcat, kConcat, kSum);
      case 2: {
        const std::string name = Any({"LOWER", "UPPER", "TRIM"});
        return Apply(name, name, {text()});
      }
      case 3: return Apply("SUBSTR", "SUBSTR", {text(), Same(Any({"-3", "-1", "0", "1", "2", "9"}))});
      // Not from before the text's begin with a count: what is cut off there differs in DuckDB itself, by whether it knows that all is ASCII.
      case 4: return Apply("SUBSTR", "SUBSTR", {text(), Same(Any({"-1", "0", "1", "2", "9"})), Same(Any({"0", "1", "3"}))});
      case 5: return Apply("CONCAT", "CONCAT", {text(), text(), text()});
      case 6: return Apply("REPLACE", "REPLACE", {text(), Same(Any({"'a'", "'ö'", "''", "'ab'", "s"})), text()});
      case 7: {
        const std::string name = Any({"LEAST", "GREATEST"});
        return Apply(name, name, {text(), text()});
      }
      default: return Same(Any({"s", "t"}));
    }
  }

  Pair Time(int depth) {
    if (depth <= 0 || Below(2) == 0) {
      return Below(3) == 0 ? Same(Any({"TIMESTAMP '2024-02-29 12:30:00'", "TIMESTAMP '1969-07-20'"})) : Same(Any({"u", "v"}));
    }
    if (Pair out; AnyOf(Type::kTimestamp, depth, &out)) return out;
    if (Below(3) == 0) {
      const std::string unit = Any({"'second'", "'minute'", "'hour'", "'day'", "'week'", "'month'", "'quarter'", "'year'"});
      return Wrapped("DATE_TRUNC", {Same(unit), Time(depth - 1)});
    }
    const Pair time = At(Time(depth - 1), kSum);
    const std::string seconds = Any({"1", "86400", "0.5", "-60", "1e6"});
    return {time.ours + " + " + seconds, "t_later(" + time.duck + ", CAST(" + seconds + " AS DOUBLE))", kSum};
  }

  Pair Bool(int depth) {
    if (depth <= 0) return Same(Any({"p", "q", "p", "q", "TRUE", "FALSE"}));
    if (Pair out; AnyOf(Type::kBool, depth, &out)) return out;
    const Type type = AnyType();
    const auto value = [&] { return Make(type, depth - 1); };
    switch (Below(13)) {
      case 0: case 1: return Infix(Bool(depth - 1), "AND", Bool(depth - 1), kAnd, kAnd, kNot);
      case 2: case 3: return Infix(Bool(depth - 1), "OR", Bool(depth - 1), kOr, kOr, kAnd);
      case 4: {
        const Pair a = At(Bool(depth - 1), kNot);
        return {"NOT " + a.ours, "NOT " + a.duck, kNot};
      }
      case 5: case 6: return Infix(value(), Any({"=", "<>", "<", "<=", ">", ">="}), value(), kComparison, kRange, kRange);
      case 7: {
        const Pair a = At(value(), kComparison);
        const std::string test = Any({" IS NULL", " IS NOT NULL"});
        return {a.ours + test, a.duck + test, kIs};
      }
      case 8: {
        const Pair x = At(value(), kConcat), a = value(), b = value();
        const std::string in = Any({" IN (", " NOT IN ("});
        const std::string null = Any({"", ", NULL"});
        return {Str(x.ours, in, a.ours, ", ", b.ours, null, ")"), Str(x.duck, in, a.duck, ", ", b.duck, null, ")"), kRange};
      }
      case 9: {
        const Pair x = At(value(), kConcat), a = At(value(), kConcat), b = At(value(), kConcat);
        const std::string between = Any({" BETWEEN ", " NOT BETWEEN "});
        return {Str(x.ours, between, a.ours, " AND ", b.ours), Str(x.duck, between, a.duck, " AND ", b.duck), kRange};
      }
      case 10: {
        const Pair x = At(Text(depth - 1), kConcat);
        const Pair y = Below(3) == 0 ? At(Text(depth - 1), kConcat) : Same(Any({"'%a%'", "'K_ln'", "'_'", "''", "'%'", "'a%b%'"}));
        const std::string like = Any({" LIKE ", " NOT LIKE ", " ILIKE ", " NOT ILIKE "});
        return {x.ours + like + y.ours, x.duck + like + y.duck, kRange};
      }
      case 11: {
        const std::string name = Any({"REGEXP_MATCHES", "REGEXP_FULL_MATCH"});
        return Apply(name, name, {Text(depth - 1), Same(Any({"'a+'", "'[A-Z][a-z]*'", "'^(K|a).'", "'(a|b)*'", "'\\d{2,}$'", "''", "'[^ ]+ .*'"}))});
      }
      default: {
        const std::string name = Any({"CONTAINS", "STARTS_WITH", "ENDS_WITH"});
        return Apply(name, name, {Text(depth - 1), Text(depth - 1)});
      }
    }
  }

  std::mt19937_64 random_;
};

constexpr const char* kMacros[] = {
    "SET ieee_floating_point_ops = false",
    "SET TimeZone = 'UTC'",
    "CREATE MACRO t_ln(x) AS CASE WHEN x > 0 THEN ln(x) END",
    "CREATE MACRO t_log10(x) AS CASE WHEN x > 0 THEN log10(x) END",
    "CREATE MACRO t_sqrt(x) AS CASE WHEN x >= 0 THEN sqrt(x) END",
    "CREATE MACRO t_exp(x) AS exp(x)",
    "CREATE MACRO t_pow(x, y) AS CASE WHEN x = 0 AND y < 0 THEN NULL WHEN isnan(pow(x, y)) THEN NULL ELSE pow(x, y) END",
    "CREATE MACRO t_sign(x) AS CAST(sign(x) AS DOUBLE)",
    "CREATE MACRO t_length(x) AS CAST(length(x) AS DOUBLE)",
    "CREATE MACRO t_year(x) AS CAST(year(x) AS DOUBLE)",
    "CREATE MACRO t_month(x) AS CAST(month(x) AS DOUBLE)",
    "CREATE MACRO t_day(x) AS CAST(day(x) AS DOUBLE)",
    "CREATE MACRO t_hour(x) AS CAST(hour(x) AS DOUBLE)",
    "CREATE MACRO t_minute(x) AS CAST(minute(x) AS DOUBLE)",
    "CREATE MACRO t_weekday(x) AS CAST(isodow(x) - 1 AS DOUBLE)",
    "CREATE MACRO t_second(x) AS CAST(second(x) AS DOUBLE)",
    "CREATE MACRO t_quarter(x) AS CAST(quarter(x) AS DOUBLE)",
    "CREATE MACRO t_week(x) AS CAST(week(x) AS DOUBLE)",
    "CREATE MACRO t_dayofyear(x) AS CAST(dayofyear(x) AS DOUBLE)",
    // Before 1970 its differences in weeks and less are rounded towards zero: 1969-12-31 23:59:59 and 1970-01-01 are one hour to it.
    "CREATE MACRO t_date_diff(u, x, y) AS CASE WHEN u IN ('second', 'minute', 'hour', 'week') THEN CAST(epoch_us(date_trunc(u, y)) - "
    "epoch_us(date_trunc(u, x)) AS DOUBLE) / CASE u WHEN 'second' THEN 1e6 WHEN 'minute' THEN 6e7 WHEN 'hour' THEN 3.6e9 ELSE 6.048e11 END "
    "ELSE CAST(date_diff(u, x, y) AS DOUBLE) END",
    // The nothing that is added keeps DuckDB's optimizer from calling NULL <> a constant true.
    "CREATE MACRO t_date_trunc(u, x) AS CAST(date_trunc(u, x) AS TIMESTAMP) + INTERVAL 0 SECOND",
    "CREATE MACRO t_strpos(x, y) AS CAST(strpos(x, y) AS DOUBLE)",
    "CREATE MACRO t_log2(x) AS CASE WHEN x > 0 THEN log2(x) END",
    "CREATE MACRO t_sin(x) AS sin(x)",
    "CREATE MACRO t_cos(x) AS cos(x)",
    "CREATE MACRO t_tan(x) AS tan(x)",
    "CREATE MACRO t_asin(x) AS CASE WHEN abs(x) <= 1 THEN asin(x) END",
    "CREATE MACRO t_acos(x) AS CASE WHEN abs(x) <= 1 THEN acos(x) END",
    "CREATE MACRO t_epoch(x) AS CAST(epoch_us(x) AS DOUBLE) / CAST(1e6 AS DOUBLE)",
    "CREATE MACRO t_seconds(x, y) AS CAST(epoch_us(x) - epoch_us(y) AS DOUBLE) / CAST(1e6 AS DOUBLE)",
    "CREATE MACRO t_later(x, s) AS x + to_microseconds(CAST(round(s * 1e6) AS BIGINT))",
    "CREATE TABLE t (i INTEGER, a DOUBLE, b DOUBLE, c DOUBLE, s VARCHAR, t VARCHAR, p BOOLEAN, q BOOLEAN, u TIMESTAMP, v TIMESTAMP)",
};

// The same rows for both.
Batch MakeRows(std::string* insert) {
  std::mt19937_64 random(11);
  const auto pick = [&](int n) { return static_cast<int>(random() % static_cast<std::uint64_t>(n)); };
  const std::vector<double> numbers = {0, 1, -1, 2.5, -2.5, 0.1, 1e6, -1e-3, 12345.678, 3};
  const std::vector<std::string> words = {"", "a", "abc", "Köln", "ÄÖÜ ßé", "a%b_c", " x ", "Ελλάς", "МОСКВА", "it's"};
  const std::vector<std::string> times = {"1970-01-01 00:00:00", "2024-02-29 23:59:59.25", "1969-12-31 23:59:59", "2000-01-01 12:00:00"};
  std::vector<Field> fields;
  std::vector<ColumnBuilder> builders;
  const std::string names = "abcstpquv";
  for (const char name : names) {
    const Type type = name <= 'c' ? Type::kFloat64 : name == 's' || name == 't' ? Type::kString : name <= 'q' ? Type::kBool : Type::kTimestamp;
    fields.push_back({std::string(1, name), type});
    builders.emplace_back(type);
  }
  for (int row = 0; row < kRows; ++row) {
    *insert += Str(row == 0 ? "INSERT INTO t VALUES (" : ", (", row);
    for (std::size_t i = 0; i < builders.size(); ++i) {
      std::string value = "NULL";
      if (pick(5) == 0) {
        builders[i].AddNull();
      } else if (fields[i].type == Type::kFloat64) {
        const double number = numbers[static_cast<std::size_t>(pick(10))];
        builders[i].Add(number);
        value = Str("CAST(", number, " AS DOUBLE)");
      } else if (fields[i].type == Type::kString) {
        const std::string& word = words[static_cast<std::size_t>(pick(10))];
        builders[i].AddText(word);
        value = word == "it's" ? "'it''s'" : "'" + word + "'";
      } else if (fields[i].type == Type::kBool) {
        const int truth = pick(2);
        builders[i].AddInt(truth);
        value = truth != 0 ? "TRUE" : "FALSE";
      } else {
        const std::string& time = times[static_cast<std::size_t>(pick(4))];
        Micros at = 0;
        EXPECT_TRUE(ParseTimestamp(time, &at));
        builders[i].AddInt(at);
        value = "TIMESTAMP '" + time + "'";
      }
      *insert += ", " + value;
    }
    *insert += ")";
  }
  std::vector<Column> columns;
  for (ColumnBuilder& builder : builders) columns.push_back(builder.Finish());
  return Batch(std::make_shared<const Schema>(fields), columns);
}

class Comparison {
 public:
  Comparison(const DuckDb& duck, duckdb_connection connection, const Batch& rows) : duck_(duck), connection_(connection), rows_(rows) {}
  int compared() const { return compared_; }
  int refused() const { return refused_; }

  // Several in one query; one by one when DuckDB refuses them.
  void Compare(std::span<const Pair> pairs) {
    std::vector<Expression> ours;
    std::string sql = "SELECT ";
    for (const Pair& pair : pairs) {
      auto parsed = Expression::Parse(pair.ours, rows_.schema());
      ASSERT_TRUE(parsed.ok()) << parsed.error().ToString();
      const bool time = parsed->type() == Type::kTimestamp;
      sql += Str(ours.empty() ? "" : ", ", time ? "CAST(epoch_us(" : "(", pair.duck, time ? ") AS DOUBLE)" : ")");
      ours.push_back(*std::move(parsed));
    }
    duckdb_result result;
    if (duck_.query(connection_, (sql + " FROM t ORDER BY i").c_str(), &result) != DuckDBSuccess) {
      const std::string why = duck_.result_error(&result);
      duck_.destroy_result(&result);
      if (pairs.size() == 1) {
        ++refused_;
        EXPECT_TRUE(why.find("Out of Range") != std::string::npos) << why << "\n" << pairs[0].duck;
        return;
      }
      for (const Pair& pair : pairs) Compare({&pair, 1});
      return;
    }
    for (std::size_t i = 0; i < ours.size(); ++i) CompareColumn(pairs[i], ours[i].Evaluate(rows_), &result, i);
    duck_.destroy_result(&result);
  }

 private:
  void CompareColumn(const Pair& pair, const Column& mine, duckdb_result* result, idx_t column) {
    ++compared_;
    for (std::int64_t row = 0; row < mine.size(); ++row) {
      const auto at = static_cast<idx_t>(row);
      const bool null = duck_.is_null(result, column, at);
      ASSERT_EQ(mine.IsNull(row), null) << pair.ours << "\n" << pair.duck << "\n" << rows_.RowAt(row).Dump();
      if (null) continue;
      if (mine.type() == Type::kString) {
        char* text = duck_.value_varchar(result, column, at);
        const std::string theirs = text == nullptr ? "" : text;
        duck_.free(text);
        ASSERT_EQ(mine.Text(row), theirs) << pair.ours << "\n" << rows_.RowAt(row).Dump();
      } else {
        const double x = mine.Number(row);
        const double y = duck_.value_double(result, column, at);
        ASSERT_TRUE(x == y || std::abs(x - y) <= 1e-13 * std::max(std::abs(x), std::abs(y)))
            << pair.ours << "\n" << rows_.RowAt(row).Dump() << "\n" << x << " and DuckDB " << y;
      }
    }
  }

  const DuckDb& duck_;
  duckdb_connection connection_;
  const Batch& rows_;
  int compared_ = 0;
  int refused_ = 0;
};

TEST(ExpressionDuckDbTest, GivesWhatDuckDbGives) {
  DuckDb duck;
  if (!duck.Load()) GTEST_SKIP() << "../lib/libduckdb.so is not beside the tests; tools/setup.sh installs it";
  duckdb_database database = nullptr;
  duckdb_connection connection = nullptr;
  ASSERT_EQ(duck.open(nullptr, &database), DuckDBSuccess);
  ASSERT_EQ(duck.connect(database, &connection), DuckDBSuccess);
  std::string insert;
  const Batch rows = MakeRows(&insert);
  const auto run = [&](const char* sql) {
    duckdb_result result;
    const bool done = duck.query(connection, sql, &result) == DuckDBSuccess;
    EXPECT_TRUE(done) << sql << ": " << duck.result_error(&result);
    duck.destroy_result(&result);
  };
  for (const char* sql : kMacros) run(sql);
  run(insert.c_str());

  Generator generator(3);
  Comparison comparison(duck, connection, rows);
  std::vector<Pair> pairs;
  for (int i = 0; i < kExpressions && !testing::Test::HasFailure(); ++i) {
    pairs.push_back(generator.Make(generator.AnyType(), 1 + i % 3));
    if (pairs.size() < 25 && i + 1 < kExpressions) continue;
    comparison.Compare(pairs);
    pairs.clear();
  }
  EXPECT_GE(comparison.compared(), kExpressions * 95 / 100) << comparison.refused() << " refused by DuckDB";
  duck.disconnect(&connection);
  duck.close(&database);
}

}  // namespace
}  // namespace tenon::table
