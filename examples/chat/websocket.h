// WebSocket (RFC 6455): the handshake's key, frames of clients, frames to them.
#ifndef WEBSOCKET_H
#define WEBSOCKET_H

#include <stddef.h>
#include <stdint.h>

enum {
  kMessageBytesMax = 4096,  // of one message, whole
  kFrameHeadBytesMax = 14,
  kControlBytesMax = 125,
  kAcceptBytes = 28,  // of Sec-WebSocket-Accept
  kKeyBytes = 24      // of Sec-WebSocket-Key
};

// Opcodes, section 5.2.
enum { kContinuation = 0, kText = 1, kBinary = 2, kClose = 8, kPing = 9, kPong = 10 };

// Status codes, section 7.4.1.
enum {
  kNormal = 1000,
  kGoingAway = 1001,
  kProtocolError = 1002,
  kUnsupportedData = 1003,
  kInvalidPayload = 1007,
  kMessageTooBig = 1009
};

// Section 4.2.2: what answers a key of kKeyBytes; with '\0' behind it.
void websocket_accept(const char* key, char accept[kAcceptBytes + 1]);

// A message that comes in fragments is kept here until it is whole.
typedef struct {
  uint8_t message[kMessageBytesMax];
  size_t message_size;
  int is_fragmented;  // one has begun
} MessageReader;

typedef struct {
  int opcode;           // kText (a whole message), kPing, kPong or kClose
  const uint8_t* data;  // valid until the next call
  size_t size;
} Message;

typedef enum { kMessage, kNeedMore, kBroken } ReadResult;

// Looks at bytes from a client, which it may change (it unmasks them). `used`: how many are done
// with. kBroken: `status` is what to close the connection with.
ReadResult read_message(MessageReader* reader, uint8_t* bytes, size_t size, size_t* used,
                        Message* message, int* status);

// A frame's head for `size` bytes, which follow it unmasked; its length.
size_t frame_head(int opcode, size_t size, uint8_t head[kFrameHeadBytesMax]);

#endif
