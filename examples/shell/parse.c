#include "parse.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  const char* at;
  int status;
  Pipeline* pipeline;
  const char* problem;
} Parser;

// False when there is no room.
static int put(Parser* parser, const char* text, size_t size) {
  Pipeline* const pipeline = parser->pipeline;
  if (size > sizeof(pipeline->text) - pipeline->text_size) {
    parser->problem = "the line becomes too long";
    return 0;
  }
  memcpy(pipeline->text + pipeline->text_size, text, size);
  pipeline->text_size += size;
  return 1;
}

static void skip_blanks(Parser* parser) { parser->at += strspn(parser->at, " \t"); }

// At a '$'. One that no name follows stands for itself.
static int put_variable(Parser* parser) {
  const char* const name = ++parser->at;
  if (*name == '?') {
    char number[16];
    ++parser->at;
    return put(parser, number, (size_t)snprintf(number, sizeof(number), "%d", parser->status));
  }
  size_t length = 0;
  while (isalnum((unsigned char)name[length]) || name[length] == '_') {
    ++length;
  }
  char copy[64];
  if (length == 0 || isdigit((unsigned char)name[0]) || length >= sizeof(copy)) {
    return put(parser, "$", 1);
  }
  memcpy(copy, name, length);
  copy[length] = '\0';
  parser->at += length;
  const char* const value = getenv(copy);
  return value == NULL || put(parser, value, strlen(value));
}

// At an opening quote.
static int put_quoted(Parser* parser) {
  const char quote = *parser->at++;
  while (*parser->at != quote) {
    if (*parser->at == '\0') {
      parser->problem = "a quote without its end";
      return 0;
    }
    if (quote == '"' && *parser->at == '$') {
      if (!put_variable(parser)) {
        return 0;
      }
      continue;
    }
    if (quote == '"' && *parser->at == '\\' && strchr("\\\"$", parser->at[1]) != NULL &&
        parser->at[1] != '\0') {
      ++parser->at;
    }
    if (!put(parser, parser->at++, 1)) {
      return 0;
    }
  }
  ++parser->at;
  return 1;
}

// The word that begins here; NULL with `problem`.
static char* take_word(Parser* parser) {
  char* const word = parser->pipeline->text + parser->pipeline->text_size;
  while (*parser->at != '\0' && strchr(" \t|;&<>", *parser->at) == NULL) {
    int done;
    if (*parser->at == '\'' || *parser->at == '"') {
      done = put_quoted(parser);
    } else if (*parser->at == '$') {
      done = put_variable(parser);
    } else {
      parser->at += *parser->at == '\\' && parser->at[1] != '\0';
      done = put(parser, parser->at++, 1);
    }
    if (!done) {
      return NULL;
    }
  }
  return put(parser, "", 1) ? word : NULL;
}

static int take_redirection(Parser* parser, Stage* stage) {
  const char direction = *parser->at++;
  const int append = direction == '>' && *parser->at == '>';
  parser->at += append;
  skip_blanks(parser);
  if (*parser->at == '\0' || strchr("|;&<>#", *parser->at) != NULL) {
    parser->problem = "a redirection without a file";
    return 0;
  }
  const char** const place = direction == '<' ? &stage->input : &stage->output;
  if (*place != NULL) {
    parser->problem = "two redirections of the same kind";
    return 0;
  }
  if (direction == '>') {
    stage->append = append;
  }
  return (*place = take_word(parser)) != NULL;
}

static int take_stage(Parser* parser, Stage* stage) {
  *stage = (Stage){0};
  for (;;) {
    skip_blanks(parser);
    if (*parser->at == '#') {
      parser->at += strlen(parser->at);
    }
    if (*parser->at == '\0' || strchr("|;&", *parser->at) != NULL) {
      return 1;
    }
    if (*parser->at == '<' || *parser->at == '>') {
      if (!take_redirection(parser, stage)) {
        return 0;
      }
      continue;
    }
    if (stage->count == kWordsMax) {
      parser->problem = "too many words";
      return 0;
    }
    char* const word = take_word(parser);
    if (word == NULL) {
      return 0;
    }
    stage->words[stage->count++] = word;
  }
}

// What follows a pipeline.
static int take_join(Parser* parser) {
  Pipeline* const pipeline = parser->pipeline;
  pipeline->join = kEndOfLine;
  if (*parser->at == ';') {
    ++parser->at;
    pipeline->join = kThen;
  } else if (*parser->at == '&' && parser->at[1] == '&') {
    parser->at += 2;
    pipeline->join = kAndThen;
    skip_blanks(parser);
    if (*parser->at == '\0') {
      parser->problem = "nothing after &&";
    }
  } else if (*parser->at == '&') {
    parser->problem = "& is not supported";
  }
  return parser->problem == NULL;
}

const char* parse_pipeline(const char** line, int status, Pipeline* pipeline) {
  Parser parser = {.at = *line, .status = status, .pipeline = pipeline, .problem = NULL};
  pipeline->count = 0;
  pipeline->text_size = 0;
  for (;;) {
    if (pipeline->count == kStagesMax) {
      return "too many stages in a pipeline";
    }
    Stage* const stage = &pipeline->stages[pipeline->count];
    if (!take_stage(&parser, stage)) {
      return parser.problem;
    }
    if (stage->count == 0) {
      if (pipeline->count == 0 && *parser.at == '\0' && stage->input == NULL &&
          stage->output == NULL) {
        pipeline->join = kEndOfLine;
        *line = parser.at;
        return NULL;
      }
      return "a command is missing";
    }
    ++pipeline->count;
    if (*parser.at != '|') {
      break;
    }
    if (*++parser.at == '|') {
      return "|| is not supported";
    }
  }
  if (!take_join(&parser)) {
    return parser.problem;
  }
  *line = parser.at;
  return NULL;
}
