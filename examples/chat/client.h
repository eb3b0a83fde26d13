// One connection: what came in and is not understood yet, and what has to go out.
#ifndef CLIENT_H
#define CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include "websocket.h"

enum { kInputBytesMax = 8192, kOutputBytesMax = 65536 };

typedef struct {
  int fd;
  unsigned number;  // of the guest; 0 while it speaks HTTP
  int close_after;  // once all output is sent
  int is_gone;      // to be dropped: nothing goes in or out any more
  uint8_t input[kInputBytesMax];
  size_t input_size;
  uint8_t output[kOutputBytesMax];
  size_t output_size;
  MessageReader reader;
} Client;

// Sends at once what goes. A client that is too slow to read kOutputBytesMax is gone.
void send_bytes(Client* client, const void* bytes, size_t size);
void send_frame(Client* client, int opcode, const void* bytes, size_t size);
// A close frame, and the end.
void send_close(Client* client, int status);

// Sends on what is left.
void flush_output(Client* client);

// False: nothing more to read now, or the client is gone.
int read_input(Client* client);
void consume_input(Client* client, size_t size);

#endif
