#include "client.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

void flush_output(Client* client) {
  size_t sent = 0;
  while (sent < client->output_size && !client->is_gone) {
    const ssize_t count = write(client->fd, client->output + sent, client->output_size - sent);
    if (count < 0) {
      client->is_gone = errno != EAGAIN;
      break;
    }
    sent += (size_t)count;
  }
  memmove(client->output, client->output + sent, client->output_size - sent);
  client->output_size -= sent;
  if (client->output_size == 0 && client->close_after) {
    client->is_gone = 1;
  }
}

void send_bytes(Client* client, const void* bytes, size_t size) {
  if (client->is_gone || client->close_after) {
    return;
  }
  if (size > sizeof(client->output) - client->output_size) {
    client->is_gone = 1;
    return;
  }
  memcpy(client->output + client->output_size, bytes, size);
  client->output_size += size;
  flush_output(client);
}

void send_frame(Client* client, int opcode, const void* bytes, size_t size) {
  uint8_t head[kFrameHeadBytesMax];
  send_bytes(client, head, frame_head(opcode, size, head));
  send_bytes(client, bytes, size);
}

void send_close(Client* client, int status) {
  const uint8_t payload[2] = {(uint8_t)(status >> 8), (uint8_t)status};
  send_frame(client, kClose, payload, sizeof(payload));
  client->close_after = 1;
  flush_output(client);
}

int read_input(Client* client) {
  const size_t room = sizeof(client->input) - client->input_size;
  if (client->is_gone || client->close_after || room == 0) {
    return 0;
  }
  const ssize_t count = read(client->fd, client->input + client->input_size, room);
  if (count <= 0) {
    client->is_gone = count == 0 || errno != EAGAIN;
    return 0;
  }
  client->input_size += (size_t)count;
  return 1;
}

void consume_input(Client* client, size_t size) {
  memmove(client->input, client->input + size, client->input_size - size);
  client->input_size -= size;
}
