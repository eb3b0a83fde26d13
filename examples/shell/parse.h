// The shell's language: words with quotes, pipelines, redirections, `;` and `&&`.
//
//   list      pipeline (`;` | `&&`) list, or nothing
//   pipeline  stage `|` stage ...
//   stage     words and redirections: `< file`, `> file`, `>> file`
//
// 'text' is taken as it is; "text" and plain words know $NAME, $? and \ before the next character.
// From # at the start of a word on is a comment.
#ifndef PARSE_H
#define PARSE_H

#include <stddef.h>

enum { kLineBytesMax = 4096, kTextBytesMax = 16384, kWordsMax = 128, kStagesMax = 16 };

typedef struct {
  char* words[kWordsMax];
  int count;
  const char* input;   // NULL: none
  const char* output;  // NULL: none
  int append;
} Stage;

typedef enum { kEndOfLine, kThen, kAndThen } Join;

typedef struct {
  Stage stages[kStagesMax];
  int count;
  Join join;                 // to what follows
  char text[kTextBytesMax];  // of the words
  size_t text_size;
} Pipeline;

// Reads one pipeline from `*line` and moves it behind. `status` is what $? stands for. NULL, or
// what is wrong. An empty pipeline (count 0) is right at the end of a line only.
const char* parse_pipeline(const char** line, int status, Pipeline* pipeline);

#endif
