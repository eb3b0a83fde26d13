#include "websocket.h"

#include <string.h>

// ---- The handshake ----

static uint32_t rotate(uint32_t word, int bits) { return word << bits | word >> (32 - bits); }

// RFC 3174 section 6.1, for one block.
static void sha1_block(uint32_t state[5], const uint8_t* block) {
  uint32_t words[80];
  for (int i = 0; i < 16; ++i) {
    words[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
               (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
  }
  for (int i = 16; i < 80; ++i) {
    words[i] = rotate(words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16], 1);
  }
  uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
  for (int i = 0; i < 80; ++i) {
    const uint32_t mixed = i < 20   ? ((b & c) | (~b & d)) + 0x5a827999
                           : i < 40 ? (b ^ c ^ d) + 0x6ed9eba1
                           : i < 60 ? ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc
                                    : (b ^ c ^ d) + 0xca62c1d6;
    const uint32_t next = rotate(a, 5) + mixed + e + words[i];
    e = d;
    d = c;
    c = rotate(b, 30);
    b = a;
    a = next;
  }
  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
  state[4] += e;
}

// At most 119 bytes: what fits into two blocks with the padding.
static void sha1(const uint8_t* bytes, size_t size, uint8_t digest[20]) {
  uint8_t blocks[128] = {0};
  const size_t end = size < 56 ? 64 : 128;
  memcpy(blocks, bytes, size);
  blocks[size] = 0x80;
  blocks[end - 2] = (uint8_t)(size * 8 >> 8);
  blocks[end - 1] = (uint8_t)(size * 8);
  uint32_t state[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
  for (size_t at = 0; at < end; at += 64) {
    sha1_block(state, blocks + at);
  }
  for (int i = 0; i < 20; ++i) {
    digest[i] = (uint8_t)(state[i / 4] >> (24 - i % 4 * 8));
  }
}

void websocket_accept(const char* key, char accept[kAcceptBytes + 1]) {
  static const char kLetters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  static const char kSuffix[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";  // section 1.3
  uint8_t text[kKeyBytes + sizeof(kSuffix) - 1];
  memcpy(text, key, kKeyBytes);
  memcpy(text + kKeyBytes, kSuffix, sizeof(kSuffix) - 1);
  uint8_t digest[21] = {0};  // base64 takes three bytes at a time
  sha1(text, sizeof(text), digest);
  for (int i = 0; i < 7; ++i) {
    const uint32_t three =
        (uint32_t)digest[3 * i] << 16 | (uint32_t)digest[3 * i + 1] << 8 | digest[3 * i + 2];
    for (int j = 0; j < 4; ++j) {
      accept[4 * i + j] = kLetters[three >> (18 - 6 * j) & 63];
    }
  }
  accept[kAcceptBytes - 1] = '=';
  accept[kAcceptBytes] = '\0';
}

// ---- Frames ----

// RFC 3629 section 4: no overlong forms, no surrogates, nothing above U+10FFFF.
static int is_utf8(const uint8_t* text, size_t size) {
  static const uint32_t kLeast[] = {0, 0x80, 0x800, 0x10000};  // by the number of bytes that follow
  for (size_t i = 0; i < size;) {
    const uint8_t first = text[i++];
    const size_t more = first < 0x80             ? 0
                        : (first & 0xe0) == 0xc0 ? 1
                        : (first & 0xf0) == 0xe0 ? 2
                        : (first & 0xf8) == 0xf0 ? 3
                                                 : size;
    if (more > size - i) {
      return 0;
    }
    uint32_t code = more == 0 ? first : first & (0x3fU >> more);
    for (size_t j = 0; j < more; ++j) {
      if ((text[i] & 0xc0) != 0x80) {
        return 0;
      }
      code = code << 6 | (text[i++] & 0x3f);
    }
    if (code < kLeast[more] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) {
      return 0;
    }
  }
  return 1;
}

typedef struct {
  int opcode;
  int is_last;
  uint8_t* data;
  size_t size;
} Frame;

// Section 5.2. 0: a frame; else kNeedMore, or kBroken with `status`.
static ReadResult read_frame(uint8_t* bytes, size_t size, size_t* used, Frame* frame, int* status) {
  *status = kProtocolError;
  if (size < 2) {
    return kNeedMore;
  }
  frame->is_last = bytes[0] >> 7;
  frame->opcode = bytes[0] & 15;
  const int is_control = frame->opcode >= kClose;
  const int is_known = is_control ? frame->opcode <= kPong : frame->opcode <= kBinary;
  uint64_t length = bytes[1] & 127;
  // Reserved bits, unknown opcodes, frames without a mask, long or divided control frames.
  if ((bytes[0] & 0x70) != 0 || !is_known || (bytes[1] & 0x80) == 0 ||
      (is_control && (!frame->is_last || length > kControlBytesMax))) {
    return kBroken;
  }
  const size_t more = length == 126 ? 2 : length == 127 ? 8 : 0;
  const size_t head = 2 + more + 4;
  if (size < head) {
    return kNeedMore;
  }
  if (more > 0) {
    length = 0;
    for (size_t i = 0; i < more; ++i) {
      length = length << 8 | bytes[2 + i];
    }
    if (length < (more == 2 ? 126 : 65536)) {
      return kBroken;  // a shorter form would do
    }
  }
  if (length > kMessageBytesMax) {
    *status = kMessageTooBig;
    return kBroken;
  }
  if (size - head < length) {
    return kNeedMore;
  }
  frame->data = bytes + head;
  frame->size = (size_t)length;
  for (size_t i = 0; i < frame->size; ++i) {
    frame->data[i] ^= bytes[head - 4 + i % 4];
  }
  *used += head + frame->size;
  return kMessage;
}

// Section 5.5.1: nothing, or a status code and a text. False: neither.
static int is_close_payload(const Frame* frame) {
  if (frame->size == 0) {
    return 1;
  }
  if (frame->size == 1 || !is_utf8(frame->data + 2, frame->size - 2)) {
    return 0;
  }
  const int code = frame->data[0] << 8 | frame->data[1];
  return (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
         (code >= 3000 && code <= 4999);
}

// Section 5.4. kNeedMore: the message goes on.
static ReadResult join(MessageReader* reader, const Frame* frame, int* status) {
  if (frame->opcode == kBinary) {
    *status = kUnsupportedData;
    return kBroken;
  }
  if ((frame->opcode == kContinuation) != reader->is_fragmented) {
    *status = kProtocolError;
    return kBroken;
  }
  if (frame->size > sizeof(reader->message) - reader->message_size) {
    *status = kMessageTooBig;
    return kBroken;
  }
  memcpy(reader->message + reader->message_size, frame->data, frame->size);
  reader->message_size += frame->size;
  reader->is_fragmented = !frame->is_last;
  if (frame->is_last && !is_utf8(reader->message, reader->message_size)) {
    *status = kInvalidPayload;
    return kBroken;
  }
  return frame->is_last ? kMessage : kNeedMore;
}

ReadResult read_message(MessageReader* reader, uint8_t* bytes, size_t size, size_t* used,
                        Message* message, int* status) {
  *used = 0;
  for (;;) {
    Frame frame;
    ReadResult result = read_frame(bytes + *used, size - *used, used, &frame, status);
    if (result != kMessage) {
      return result;
    }
    if (frame.opcode >= kClose) {
      *message = (Message){.opcode = frame.opcode, .data = frame.data, .size = frame.size};
      return frame.opcode == kClose && !is_close_payload(&frame) ? kBroken : kMessage;
    }
    result = join(reader, &frame, status);
    if (result == kMessage) {
      *message = (Message){.opcode = kText, .data = reader->message, .size = reader->message_size};
      reader->message_size = 0;  // the bytes stay until the next call
    }
    if (result != kNeedMore) {
      return result;
    }
  }
}

size_t frame_head(int opcode, size_t size, uint8_t head[kFrameHeadBytesMax]) {
  head[0] = (uint8_t)(0x80 | opcode);
  if (size < 126) {
    head[1] = (uint8_t)size;
    return 2;
  }
  if (size < 65536) {
    head[1] = 126;
    head[2] = (uint8_t)(size >> 8);
    head[3] = (uint8_t)size;
    return 4;
  }
  head[1] = 127;
  for (int i = 0; i < 8; ++i) {
    head[2 + i] = (uint8_t)((uint64_t)size >> (56 - 8 * i));
  }
  return 10;
}
