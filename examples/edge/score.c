/* Scores the rows of a table with a bundle, in C: score model.tenon < rows.csv
 * The table has a head with the model's inputs among its columns; no quotes within cells. A line out per row: the numbers of the
 * answer and the decision.
 *   cc -I api examples/edge/score.c -L build/lib -ltenon -o score */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tenon.h"

enum { MOST_COLUMNS = 512, MOST_LINE = 1 << 16 };

/* Cuts a line at the commas outside quotes, in place; quotes around a cell are taken off. */
static int cut(char* line, char** cells) {
  int count = 0;
  line[strcspn(line, "\r\n")] = 0;
  for (char* at = line; at != NULL && count < MOST_COLUMNS;) {
    const int quoted = *at == '"';
    char* end = strchr(quoted ? at + 1 : at, quoted ? '"' : ',');
    cells[count++] = at + quoted;
    if (quoted && end != NULL) {
      *end = 0;
      end = strchr(end + 1, ',');
    }
    at = end;
    if (at != NULL) *at++ = 0;
  }
  return count;
}

static int fail(const char* doing, const tn_error* error) {
  fprintf(stderr, "%s: %s\n", doing, error->message);
  return 1;
}

int main(int argc, char** argv) {
  static char line[MOST_LINE];
  char* cells[MOST_COLUMNS];
  int column_of[MOST_COLUMNS], type_of[MOST_COLUMNS];
  tn_value row[MOST_COLUMNS];
  tn_error error;
  tn_model* model = NULL;
  tn_session* session = NULL;

  if (argc != 2) return fprintf(stderr, "usage: score model.tenon < rows.csv\n"), 2;
  if (tn_abi() != TN_ABI) return fprintf(stderr, "this libtenon is another one than the header's\n"), 1;
  if (tn_open_file(argv[1], &model, &error) != TN_OK) return fail("opening the bundle", &error);
  if (tn_session_open(model, &session, &error) != TN_OK) return fail("opening a session", &error);
  const int inputs = tn_inputs(model), outputs = tn_outputs(model);
  float* values = malloc(sizeof(float) * (size_t)outputs);
  if (values == NULL || inputs > MOST_COLUMNS || fgets(line, MOST_LINE, stdin) == NULL) return fprintf(stderr, "no rows, or too many inputs\n"), 1;

  const int columns = cut(line, cells);
  for (int i = 0; i < inputs; ++i) {
    tn_input input;
    if (tn_input_at(model, i, &input, &error) != TN_OK) return fail("asking for an input", &error);
    type_of[i] = input.type;
    column_of[i] = -1;
    for (int c = 0; c < columns; ++c) {
      if (strcmp(cells[c], input.name) == 0) column_of[i] = c;
    }
    if (column_of[i] < 0) return fprintf(stderr, "the table has no column %s\n", input.name), 1;
  }
  while (fgets(line, MOST_LINE, stdin) != NULL) {
    if (cut(line, cells) != columns) return fprintf(stderr, "a row has another number of cells than the head\n"), 1;
    for (int i = 0; i < inputs; ++i) {
      const char* cell = cells[column_of[i]];
      const int text = type_of[i] == TN_TEXT || type_of[i] == TN_TIME;
      row[i].number = text || *cell == 0 ? NAN : strcmp(cell, "true") == 0 ? 1 : strcmp(cell, "false") == 0 ? 0 : strtod(cell, NULL);
      row[i].text = text && *cell != 0 ? cell : NULL;
      row[i].size = text ? strlen(cell) : 0;
    }
    int32_t decision = -1;
    if (tn_predict(session, row, values, &decision, &error) != TN_OK) return fail("predicting", &error);
    for (int k = 0; k < outputs; ++k) printf("%.9g ", (double)values[k]);
    printf("%s\n", decision >= 0 ? tn_class_at(model, decision) : "-");
  }
  free(values);
  tn_session_close(session);
  tn_close(model);
  return 0;
}
