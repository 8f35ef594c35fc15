/* libtenon: a Tenon model inside another program. C, no dependencies beyond the C and C++ runtimes.
 *
 *   tn_error error;
 *   tn_model* model = NULL;
 *   if (tn_open_file("loan-approval@1.tenon", &model, &error) != TN_OK) { puts(error.message); ... }
 *   tn_session* session = NULL;
 *   tn_session_open(model, &session, &error);
 *   tn_value row[12] = {{.number = 0.45}, ..., {.text = "yes", .size = 3}};      as tn_input_at says
 *   float probability;
 *   int32_t decision;
 *   tn_predict(session, row, &probability, &decision, &error);
 *
 * Threads: a tn_model never changes and is for any number of threads; a tn_session is for one thread at a time.
 * Memory: what tn_open and tn_session_open give is the library's until tn_close and tn_session_close. Strings that a model
 * gives live as long as it. A session keeps its model alive; the two may be closed in any order. tn_predict, tn_predict_many
 * and tn_explain do not allocate when they succeed (but for models whose transforms make new texts: crosses, cleaned texts).
 * Every function that can fail returns TN_OK or a code and, when `error` is not NULL, says why; nothing else is written then.
 * NULL for a model or session is TN_INVALID_ARGUMENT, never a crash.
 * Answers are those of the service, bit for bit. */
#ifndef TENON_H
#define TENON_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Grows when something here changes its meaning; additions leave it as it is. */
#define TN_ABI 1
int32_t tn_abi(void);           /* of the library that runs: compare it with TN_ABI */
const char* tn_version(void);   /* "0.1.0" */

/* The numbers are those of gRPC's status codes. */
typedef enum tn_code {
  TN_OK = 0,
  TN_INVALID_ARGUMENT = 3,      /* the row or the call is wrong */
  TN_NOT_FOUND = 5,             /* no such file */
  TN_PERMISSION_DENIED = 7,
  TN_RESOURCE_EXHAUSTED = 8,    /* no memory, too many open files */
  TN_FAILED_PRECONDITION = 9,   /* a bundle of a version or kind this library does not know, or whose golden rows do not come out */
  TN_INTERNAL = 13,             /* a bug of the library */
  TN_UNAVAILABLE = 14,          /* the file system says so */
  TN_DATA_LOSS = 15             /* the bundle is damaged */
} tn_code;

typedef struct tn_error {
  int32_t code;                 /* a tn_code */
  char message[508];            /* UTF-8, ends with 0, cut where it is longer */
} tn_error;

typedef struct tn_model tn_model;
typedef struct tn_session tn_session;

/* Opens a bundle: every section is checked against its SHA-256, and every golden row must give the recorded bits.
 * `bytes` are copied. */
int32_t tn_open(const void* bytes, size_t size, tn_model** model, tn_error* error);
int32_t tn_open_file(const char* path, tn_model** model, tn_error* error);
void tn_close(tn_model* model); /* NULL does nothing */

typedef enum tn_type {
  TN_NUMBER = 1,                /* tn_value.number; NaN is missing */
  TN_WHOLE = 2,                 /* a whole number in tn_value.number; NaN is missing */
  TN_BOOL = 3,                  /* 0 or 1 in tn_value.number; NaN is missing */
  TN_TEXT = 4,                  /* UTF-8 in tn_value.text; NULL is missing */
  TN_TIME = 5                   /* "2024-02-29T23:59:59Z" in tn_value.text; NULL is missing */
} tn_type;

typedef struct tn_input {
  const char* name;
  int32_t type;                 /* a tn_type */
  int32_t required;             /* 1: may not be missing */
  double least, most;           /* of numbers: what training saw, widened; both 0: unknown */
  int32_t domain;               /* of texts: how many values training saw; 0: too many to say */
} tn_input;

typedef enum tn_task { TN_BINARY = 1, TN_MULTICLASS = 2, TN_REGRESSION = 3 } tn_task;

int32_t tn_inputs(const tn_model* model);                                  /* values of a row; 0 for NULL */
int32_t tn_input_at(const tn_model* model, int32_t index, tn_input* input, tn_error* error);
const char* tn_domain_at(const tn_model* model, int32_t index, int32_t value); /* NULL when there is none */
int32_t tn_outputs(const tn_model* model);                                 /* numbers of an answer: 1, or one a class */
int32_t tn_task_of(const tn_model* model);                                 /* a tn_task; 0 for NULL */
int32_t tn_classes(const tn_model* model);                                 /* 0 for a regression */
const char* tn_class_at(const tn_model* model, int32_t index);             /* NULL when there is none */
double tn_threshold(const tn_model* model);                                /* of a binary model's decision */
const char* tn_name(const tn_model* model);                                /* as the bundle says; "" when it does not */
const char* tn_manifest(const tn_model* model);                            /* JSON: inputs, metrics, lineage, card */
const char* tn_sha256(const tn_model* model);                              /* of the bundle's bytes, 64 hex digits */

typedef struct tn_value {
  double number;
  const char* text;             /* need not end with 0 */
  size_t size;                  /* bytes of text */
} tn_value;

int32_t tn_session_open(const tn_model* model, tn_session** session, tn_error* error);
void tn_session_close(tn_session* session);

/* One row of tn_inputs values, in their order. `values` gets tn_outputs numbers: the probability of the second class, of each
 * class, or the value. `decision` gets the index of the class, -1 for a regression; it may be NULL. */
int32_t tn_predict(tn_session* session, const tn_value* row, float* values, int32_t* decision, tn_error* error);
/* `rows` rows after each other; `values` gets rows x tn_outputs numbers, `decisions` (may be NULL) one a row. The first wrong row
 * ends it, and its number stands in the message. */
int32_t tn_predict_many(tn_session* session, const tn_value* values_of_rows, size_t rows, float* values, int32_t* decisions, tn_error* error);
/* What each input adds to the margin of `output` (log-odds, score of a class, value): tn_inputs numbers in `by_input`; with
 * `base` they add up to the margin. Exact (TreeSHAP; coefficients). */
int32_t tn_explain(tn_session* session, const tn_value* row, int32_t output, double* by_input, double* base, tn_error* error);

#ifdef __cplusplus
}
#endif

#endif
